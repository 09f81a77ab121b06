//! Ports that a test hands to a program, which binds them a moment later, and again after it was killed. They lie below
//! those that the kernel gives to outgoing connections and to listeners that take any port.

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u16 = 20_000;
const RANGE: u32 = 12_000;

/// A port of TCP on 127.0.0.1 that is this holder's alone among all tests, in whatever process they run. It is held by
/// the port of the same number of UDP, which nobody else uses.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) number: u16,
    _held: UdpSocket,
}

impl Port {
    /// One that nobody listens on.
    pub(crate) fn free() -> Self {
        (0..RANGE).find_map(|_| Self::hold(next())).expect("a free port")
    }

    fn hold(number: u16) -> Option<Self> {
        let held = UdpSocket::bind(("127.0.0.1", number)).ok()?;
        TcpListener::bind(("127.0.0.1", number)).ok().map(|_| Self { number, _held: held })
    }
}

/// Processes that run at once begin far apart.
fn next() -> u16 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(613);
    FIRST + u16::try_from(start.wrapping_add(COUNT.fetch_add(1, Ordering::SeqCst)) % RANGE).unwrap()
}
