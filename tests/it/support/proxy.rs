//! A road to the database that can be cut: what is in flight breaks off, and new connections are refused or hang.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the road is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Road {
    Open,
    /// Connections are closed at once.
    Cut,
    /// Connections are accepted, and nothing is ever answered.
    Silent,
}

/// A proxy in front of a TCP server.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    road: Arc<watch::Sender<Road>>,
}

impl Proxy {
    pub(crate) async fn to(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let road = Arc::new(watch::Sender::new(Road::Open));
        let roads = Arc::clone(&road);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, upstream.clone(), roads.subscribe()));
            }
        });
        Self { address, road }
    }

    pub(crate) fn set(&self, road: Road) {
        self.road.send_replace(road);
    }
}

async fn carry(mut client: TcpStream, upstream: String, mut road: watch::Receiver<Road>) {
    let state = *road.borrow_and_update();
    match state {
        Road::Cut => {}
        Road::Silent => {
            let _ = road.wait_for(|road| *road != Road::Silent).await;
        }
        Road::Open => {
            let Ok(mut server) = TcpStream::connect(upstream).await else { return };
            let broken = {
                let carrying = copy_bidirectional(&mut client, &mut server);
                tokio::select! {
                    _ = carrying => None,
                    road = road.wait_for(|road| *road != Road::Open) => road.ok().map(|road| *road),
                }
            };
            if broken == Some(Road::Silent) {
                // The connection stays, and nothing comes of it.
                let _ = road.wait_for(|road| *road != Road::Silent).await;
            }
        }
    }
}
