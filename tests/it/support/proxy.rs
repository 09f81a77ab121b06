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
    counts: Arc<Counts>,
}

/// What has passed, on any connection.
#[derive(Default)]
struct Counts {
    trips: AtomicUsize,
    looks: AtomicUsize,
}

/// What sqlx sends to see whether a connection still stands (PostgreSQL's `Sync`).
const LOOK: &[u8] = b"S\0\0\0\x04";

impl Proxy {
    pub(crate) async fn to(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let road = Arc::new(watch::Sender::new(Road::Open));
        let roads = Arc::clone(&road);
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, upstream.clone(), roads.subscribe(), Arc::clone(&counted)));
            }
        });
        Self { address, road, counts }
    }

    /// How often something was asked so far: a client's words after it had been answered.
    pub(crate) fn trips(&self) -> usize {
        self.counts.trips.load(Ordering::SeqCst)
    }

    /// How often a connection was looked at instead.
    pub(crate) fn looks(&self) -> usize {
        self.counts.looks.load(Ordering::SeqCst)
    }

    pub(crate) fn set(&self, road: Road) {
        self.road.send_replace(road);
    }
}

async fn carry(
    mut client: TcpStream,
    upstream: String,
    mut road: watch::Receiver<Road>,
    counts: Arc<Counts>,
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
                let carrying = copy(&mut client, &mut server, &counts);
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
async fn copy(client: &mut TcpStream, server: &mut TcpStream, counts: &Counts) {
    let (mut asked, mut answered) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    let mut is_new = true;
    loop {
        let passed = tokio::select! {
            read = client.read(&mut asked) => {
                let Some(length) = read.ok().filter(|length| *length > 0) else { return };
                if is_new {
                    let count = if &asked[..length] == LOOK { &counts.looks } else { &counts.trips };
                    count.fetch_add(1, Ordering::SeqCst);
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
