//! A road to the database that can be cut: what is in flight breaks off, and new connections are refused or hang.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
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
    trips: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) async fn to(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let road = Arc::new(watch::Sender::new(Road::Open));
        let roads = Arc::clone(&road);
        let trips = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&trips);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, upstream.clone(), roads.subscribe(), Arc::clone(&counted)));
            }
        });
        Self { address, road, trips }
    }

    /// How often something was asked so far: a client's words after it had been answered, on any connection.
    pub(crate) fn trips(&self) -> usize {
        self.trips.load(Ordering::SeqCst)
    }

    pub(crate) fn set(&self, road: Road) {
        self.road.send_replace(road);
    }
}

async fn carry(
    mut client: TcpStream,
    upstream: String,
    mut road: watch::Receiver<Road>,
    trips: Arc<AtomicUsize>,
) {
    let state = *road.borrow_and_update();
    match state {
        Road::Cut => {}
        Road::Silent => {
            let _ = road.wait_for(|road| *road != Road::Silent).await;
        }
        Road::Open => {
            let Ok(mut server) = TcpStream::connect(upstream).await else { return };
            let broken = {
                let carrying = copy(&mut client, &mut server, &trips);
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

/// Copies both ways until either side is done.
async fn copy(client: &mut TcpStream, server: &mut TcpStream, trips: &AtomicUsize) {
    let (mut asked, mut answered) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    let mut is_new = true;
    loop {
        let passed = tokio::select! {
            read = client.read(&mut asked) => {
                let Some(length) = read.ok().filter(|length| *length > 0) else { return };
                if is_new {
                    trips.fetch_add(1, Ordering::SeqCst);
                }
                is_new = false;
                server.write_all(&asked[..length]).await
            }
            read = server.read(&mut answered) => {
                let Some(length) = read.ok().filter(|length| *length > 0) else { return };
                is_new = true;
                client.write_all(&answered[..length]).await
            }
        };
        if passed.is_err() {
            return;
        }
    }
}
