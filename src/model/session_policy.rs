//! What a deployment decides about login sessions beyond their lifetimes: how many, and what follows when one comes back
//! from somewhere else than it began.

use std::net::IpAddr;

use super::user_agent::{Device, recognise};

/// What gives way when a user would have more sessions than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverLimit {
    /// The session that was begun first.
    EndOldest,
    /// The sign-in.
    Refuse,
}

/// How many sessions a user may have at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimit {
    /// So many.
    pub most: u32,
    /// What gives way beyond.
    pub over: OverLimit,
}

/// What follows when a session comes back from somewhere else than it began (soft binding). The policies are ordered by
/// strictness, so that of two changes the stricter answer wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Nothing.
    Ignore,
    /// An event in the audit log, once per change.
    Note,
    /// The same, and the user has to sign in again before the session goes on.
    Reauthenticate,
    /// The same, and the session ends.
    End,
}

/// What follows which change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftBinding {
    /// Another browser or operating system; their versions do not matter.
    pub browser: Change,
    /// Another network.
    pub network: Change,
}

/// Where a browser is seen, as it says itself or as the connection shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen<'a> {
    /// `User-Agent`; a browser that names none is one that nobody recognises.
    pub user_agent: Option<&'a str>,
    /// The address, where it is known.
    pub address: Option<&'a str>,
}

/// What has changed between two sights of a browser, and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What follows: the stricter answer, where both have changed.
    pub change: Change,
    /// Whether the browser or its operating system is another.
    pub browser: bool,
    /// Whether the network is another.
    pub network: bool,
}

impl Judgement {
    /// What has changed, in words for the audit log.
    pub const fn cause(self) -> &'static str {
        match (self.browser, self.network) {
            (true, true) => "another browser and another network",
            (true, false) => "another browser",
            (false, true) => "another network",
            (false, false) => "nothing has changed",
        }
    }
}

/// The one judgement of a browser that comes back, whether with a session's cookie or with a refresh token's.
pub fn judge(before: Seen<'_>, now: Seen<'_>, policy: SoftBinding) -> Judgement {
    let browser = before.device() != now.device();
    // What cannot be told is no change: an address may be missing behind a proxy that was set up later.
    let network = match (before.network(), now.network()) {
        (Some(before), Some(now)) => before != now,
        _ => false,
    };
    let follows = |changed: bool, change: Change| if changed { change } else { Change::Ignore };
    let change = follows(browser, policy.browser).max(follows(network, policy.network));
    Judgement { change, browser, network }
}

impl Seen<'_> {
    fn device(&self) -> Device {
        recognise(self.user_agent.unwrap_or_default())
    }

    fn network(&self) -> Option<Network> {
        self.address?.parse().ok().map(Network::of)
    }

    /// In words: "Firefox on Windows, 203.0.113.9".
    pub fn words(&self) -> String {
        let device = self.device();
        self.address.map_or_else(|| device.to_string(), |address| format!("{device}, {address}"))
    }

    /// What tells this sight from others as far as `policy` cares: two of one mark are one change.
    pub fn mark(&self, policy: SoftBinding) -> String {
        let device = (policy.browser > Change::Ignore).then(|| self.device().to_string());
        let network = if policy.network > Change::Ignore { self.network() } else { None };
        format!("{}|{}", device.unwrap_or_default(), network.map(Network::words).unwrap_or_default())
    }
}

/// The network that an address is of: what an organisation or a provider's region has. Coarser than the unit of
/// throttling (one subscriber), since addresses change within it every day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    /// This machine, under any of its addresses.
    Loopback,
    /// A /24.
    Four([u8; 3]),
    /// A /48.
    Six([u16; 3]),
}

impl Network {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            address if address.is_loopback() => Self::Loopback,
            IpAddr::V4(four) => {
                let [a, b, c, _] = four.octets();
                Self::Four([a, b, c])
            }
            IpAddr::V6(six) => {
                let [a, b, c, ..] = six.segments();
                Self::Six([a, b, c])
            }
        }
    }

    fn words(self) -> String {
        match self {
            Self::Loopback => "loopback".to_owned(),
            Self::Four([a, b, c]) => format!("{a}.{b}.{c}.0/24"),
            Self::Six([a, b, c]) => format!("{a:x}:{b:x}:{c:x}::/48"),
        }
    }
}

#[cfg(test)]
#[path = "session_policy_tests.rs"]
mod tests;
