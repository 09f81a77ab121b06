//! The follower against a server that plays what networks and servers do.

mod server;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::feed::entry::{Entry, Kind};
use crate::feed::follower::Staleness;
use crate::feed::live::Coordinates;
use server::{Server, Stream, TestClock, sid};

/// What is awaited comes within this, or never.
const PATIENCE: Duration = Duration::from_secs(60);

/// A follower of a server, stopped with the test.
struct World {
    server: Server,
    handle: Arc<FeedHandle>,
    keys_removed: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl World {
    async fn begin(prepare: impl FnOnce(&Server)) -> Self {
        let server = Server::start().await;
        prepare(&server);
        Self::follow(server)
    }

    fn follow(server: Server) -> Self {
        let fetcher = Fetcher::new(&server.issuer, &[], None).unwrap();
        let clock: Arc<TestClock> = Arc::clone(&server.clock);
        let mut settings = Settings::new(&server.issuer, fetcher, clock);
        let keys_removed: Arc<Mutex<Vec<String>>> = Arc::default();
        let names = Arc::clone(&keys_removed);
        settings.on_keys_removed = Arc::new(move |removed| names.lock().unwrap().extend_from_slice(removed));
        // A server that keeps all bytes to itself is waited for in vain.
        let buffered = server.script(|script| script.stream == Stream::Buffered);
        // Long enough that no test passes because of them, but where it is about one.
        settings.pace = Pace {
            first_event: if buffered { Duration::from_millis(300) } else { PATIENCE },
            silence: Duration::from_secs(60),
            again: Duration::from_millis(20),
            no_feed: Duration::from_millis(50),
            reconnect: Duration::from_millis(10),
            longest_reconnect: Duration::from_millis(50),
            ..Pace::default()
        };
        let (follower, handle) = Follower::new(settings);
        let task = tokio::spawn(follower.run());
        Self { server, handle, keys_removed, task }
    }

    async fn until(&self, what: &str, condition: impl Fn(&FeedHandle) -> bool) {
        let wait = async {
            while !condition(&self.handle) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        assert!(waited.is_ok(), "{what}: {:?} {:?}", self.handle, self.server.requests());
    }

    async fn reaches(&self, n: u64) {
        self.until(&format!("position {n}"), |handle| handle.position() == Some(n)).await;
    }

    fn voids(&self, session: &str) -> Option<Kind> {
        self.handle.voids(&Coordinates { sid: Some(session), ..Coordinates::default() })
    }
}

#[tokio::test]
async fn the_stream_brings_snapshot_batches_and_heartbeats() {
    let world = World::begin(|server| {
        server.clock.freeze();
        server.revoke(&["early"]);
    })
    .await;
    world.reaches(1).await;
    assert_eq!(world.handle.staleness(), Staleness::Fresh);
    assert_eq!((world.voids("early"), world.voids("late")), (Some(Kind::Sid), None));
    let version = world.handle.version();
    world.server.beat();
    world.until("heartbeat", |handle| handle.stats().messages == 2).await;
    assert_eq!(world.handle.version(), version, "a heartbeat changes no state");
    world.server.revoke(&["late"]);
    world.reaches(2).await;
    assert_eq!(world.voids("late"), Some(Kind::Sid));
    assert_ne!(world.handle.version(), version);
    let stats = world.handle.stats();
    assert_eq!((stats.live, stats.gaps, stats.reconnects, stats.refused, stats.polls), (2, 0, 0, 0, 0));
    assert!((0..10_000).contains(&stats.last_lag_millis));
}

#[tokio::test]
async fn before_anything_was_heard_the_state_is_hard_stale() {
    let world = World::begin(|server| {
        server.clock.freeze();
        server.script(|script| script.configuration_status = 500);
    })
    .await;
    world.until("an attempt", |handle| handle.stats().reconnects > 2).await;
    assert_eq!((world.handle.staleness(), world.handle.position()), (Staleness::Hard, None));
    world.server.script(|script| script.configuration_status = 200);
    world.server.clock.pass(Duration::from_secs(31));
    world.reaches(0).await;
    world.handle.ready().await;
    assert_eq!(world.handle.staleness(), Staleness::Fresh);
}

#[tokio::test]
async fn a_gap_is_closed_by_a_snapshot() {
    let world = World::begin(|_| {}).await;
    world.reaches(0).await;
    world.server.lose(|server| server.revoke(&["lost"]));
    world.server.revoke(&["seen"]);
    world.reaches(2).await;
    assert_eq!((world.voids("lost"), world.voids("seen")), (Some(Kind::Sid), Some(Kind::Sid)));
    let stats = world.handle.stats();
    assert_eq!((stats.gaps, stats.reconnects), (1, 0));
    world.server.revoke(&["after"]);
    world.reaches(3).await;
    assert_eq!(world.handle.stats().gaps, 1);
}

#[tokio::test]
async fn a_broken_chain_is_closed_by_a_snapshot() {
    let world = World::begin(|server| server.revoke(&["one"])).await;
    world.reaches(1).await;
    world.server.fork(&["forked"]);
    world.until("the gap", |handle| handle.stats().gaps == 1 && handle.stats().messages >= 3).await;
    assert_eq!((world.voids("one"), world.voids("forked")), (Some(Kind::Sid), Some(Kind::Sid)));
    world.server.revoke(&["two"]);
    world.reaches(2).await;
}

#[tokio::test]
async fn a_snapshot_that_fails_is_owed_until_it_is_taken() {
    let world = World::begin(|server| server.revoke(&["dropped"])).await;
    world.reaches(1).await;
    // While the clock is ahead, what lives is dropped; the position stays, so that no message shows what is missing.
    world.server.clock.pass(Duration::from_secs(1_000));
    world.server.beat();
    world.until("deaths", |handle| handle.stats().live == 0).await;
    world.server.script(|script| script.snapshot_status = 503);
    world.server.clock.set_back(1_000);
    let beat = async {
        loop {
            world.server.beat();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let asked = || world.server.requests().iter().filter(|path| path.ends_with("/snapshot")).count();
    let owed = async {
        world.until("snapshots that fail", |_| asked() > 3).await;
        assert_eq!(world.voids("dropped"), None);
        world.server.script(|script| script.snapshot_status = 200);
        world.until("the snapshot", |handle| handle.stats().live == 1).await;
        assert_eq!(world.voids("dropped"), Some(Kind::Sid));
        let taken = asked();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(asked(), taken, "it is owed no longer");
    };
    tokio::select! { () = beat => {}, () = owed => {} }
}

#[tokio::test]
async fn a_heartbeat_ahead_asks_for_a_snapshot() {
    let world = World::begin(|_| {}).await;
    world.reaches(0).await;
    world.server.lose(|server| server.revoke(&["lost"]));
    world.server.beat();
    world.reaches(1).await;
    assert_eq!(world.voids("lost"), Some(Kind::Sid));
}

#[tokio::test]
async fn a_connection_that_is_cut_is_resumed_at_the_position() {
    let world = World::begin(|server| server.revoke(&["one"])).await;
    world.reaches(1).await;
    world.server.cut();
    world.server.revoke(&["two"]);
    world.reaches(2).await;
    assert_eq!(world.voids("two"), Some(Kind::Sid));
    let requests = world.server.requests();
    assert!(requests.contains(&"/revocation/stream?from=1".to_owned()), "{requests:?}");
    assert!(!requests.contains(&"/revocation/snapshot".to_owned()), "{requests:?}");
    assert!(world.handle.stats().reconnects >= 1);
}

#[tokio::test]
async fn a_position_no_longer_kept_is_left_by_a_snapshot() {
    let world = World::begin(|server| server.revoke(&["one"])).await;
    world.reaches(1).await;
    world.server.script(|script| script.oldest = 9);
    world.server.cut();
    for n in 2..12 {
        world.server.revoke(&[&format!("s{n}")]);
    }
    world.reaches(11).await;
    for n in 2..12 {
        assert_eq!(world.voids(&format!("s{n}")), Some(Kind::Sid));
    }
    assert_eq!(world.voids("one"), Some(Kind::Sid));
}

#[tokio::test]
async fn a_silent_feed_is_soft_then_hard_and_fresh_once_it_speaks() {
    let world = World::begin(|server| server.revoke(&["one"])).await;
    world.reaches(1).await;
    world.server.clock.pass(Duration::from_secs(4));
    assert_eq!(world.handle.staleness(), Staleness::Soft);
    world.server.clock.pass(Duration::from_secs(27));
    assert_eq!((world.handle.staleness(), world.voids("one")), (Staleness::Hard, Some(Kind::Sid)));
    world.server.beat();
    world.until("fresh", |handle| handle.staleness() == Staleness::Fresh).await;
}

#[tokio::test]
async fn a_stream_that_credits_nothing_is_left_for_another_node() {
    let server = Server::start().await;
    server.revoke(&["one"]);
    let mut settings = Settings::new(
        &server.issuer,
        Fetcher::new(&server.issuer, &[], None).unwrap(),
        Arc::<TestClock>::clone(&server.clock),
    );
    settings.pace = Pace {
        first_event: PATIENCE,
        silence: Duration::from_millis(50),
        reconnect: Duration::ZERO,
        ..Pace::default()
    };
    let (follower, handle) = Follower::new(settings);
    let task = tokio::spawn(follower.run());
    let world = World { server, handle, keys_removed: Arc::default(), task };
    world.until("heartbeats thrice as far apart", |handle| handle.stats().reconnects > 0).await;
    assert_eq!(world.handle.position(), Some(1));
}

#[tokio::test]
async fn a_replayed_heartbeat_is_not_fresh() {
    let world = World::begin(|_| {}).await;
    world.reaches(0).await;
    let replayed = world.server.heartbeat();
    world.server.push("heartbeat", &replayed);
    world.until("heartbeat", |handle| handle.stats().messages == 2).await;
    world.server.clock.pass(Duration::from_secs(31));
    for n in 3..6 {
        world.server.push("heartbeat", &replayed);
        world.until("replay", |handle| handle.stats().messages == n).await;
        assert_eq!(world.handle.staleness(), Staleness::Hard);
    }
}

#[tokio::test]
async fn a_server_that_lost_its_memory_un_revokes_nothing() {
    let world = World::begin(|server| server.revoke(&["one"])).await;
    world.server.revoke(&["two"]);
    world.reaches(2).await;
    world.server.forget();
    world.until("rollback", |handle| handle.stats().rollbacks > 0).await;
    world.server.clock.pass(Duration::from_secs(31));
    world.server.beat();
    let heard = world.handle.stats().messages;
    world.until("its heartbeat", |handle| handle.stats().messages > heard).await;
    assert_eq!((world.handle.position(), world.handle.staleness()), (Some(2), Staleness::Hard));
    assert_eq!((world.voids("one"), world.voids("two")), (Some(Kind::Sid), Some(Kind::Sid)));
    world.server.jump();
    world.server.revoke(&["three"]);
    world.server.beat();
    world.until("fresh", |handle| handle.staleness() == Staleness::Fresh).await;
    assert_eq!(world.voids("three"), Some(Kind::Sid));
}

#[tokio::test]
async fn a_server_that_does_not_know_the_position_is_asked_with_pauses() {
    let world = World::begin(|server| server.revoke(&["one"])).await;
    world.server.revoke(&["two"]);
    world.reaches(2).await;
    world.server.forget();
    world.server.cut();
    world.until("rollbacks", |handle| handle.stats().rollbacks > 4).await;
    let stats = world.handle.stats();
    assert!(stats.reconnects + 2 >= stats.rollbacks, "each has been followed by a pause: {stats:?}");
    assert_eq!(world.voids("two"), Some(Kind::Sid));
}

#[tokio::test]
async fn another_feed_key_is_learnt_from_the_configuration() {
    let world = World::begin(|server| server.revoke(&["one"])).await;
    world.reaches(1).await;
    world.server.clock.pass(Duration::from_secs(31));
    world.server.change_key(2, true);
    world.server.revoke(&["two"]);
    world.reaches(2).await;
    let stats = world.handle.stats();
    assert_eq!((stats.refused, stats.reconnects), (0, 0));
}

#[tokio::test]
async fn an_unknown_feed_key_makes_the_configuration_be_read_once_in_thirty_seconds() {
    let world = World::begin(|server| server.revoke(&["one"])).await;
    world.reaches(1).await;
    world.server.change_key(2, false);
    world.server.revoke(&["two"]);
    let read =
        |world: &World| world.server.requests().iter().filter(|path| path.ends_with("configuration")).count();
    world.until("refusals", |handle| handle.stats().refused > 5).await;
    assert_eq!((read(&world), world.handle.position()), (1, Some(1)));
    world.server.clock.pass(Duration::from_secs(31));
    let refused = world.handle.stats().refused;
    world.until("refusals", |handle| handle.stats().refused > refused + 5).await;
    assert_eq!((read(&world), world.voids("two")), (2, None));
}

#[tokio::test]
async fn a_forged_message_is_refused_and_the_connection_left() {
    let world = World::begin(|server| server.revoke(&["one"])).await;
    world.reaches(1).await;
    let forged = world.server.forged(&["victim"]);
    world.server.push("batch", &forged);
    world.until("refusal", |handle| handle.stats().refused == 1 && handle.stats().reconnects == 1).await;
    assert_eq!((world.voids("victim"), world.handle.position()), (None, Some(1)));
    world.server.revoke(&["two"]);
    world.reaches(2).await;
}

#[tokio::test]
async fn batches_are_polled_where_no_stream_can_be_had() {
    for stream in [Stream::Buffered, Stream::Full, Stream::Missing] {
        let world = World::begin(|server| {
            server.clock.freeze();
            server.revoke(&["one"]);
            server.script(|script| script.stream = stream);
        })
        .await;
        world.reaches(1).await;
        world.server.revoke(&["two"]);
        world.server.revoke(&["three"]);
        world.reaches(3).await;
        assert_eq!((world.voids("one"), world.voids("three")), (Some(Kind::Sid), Some(Kind::Sid)));
        let messages = world.handle.stats().messages;
        world.until("a heartbeat", |handle| handle.stats().messages > messages).await;
        assert_eq!(world.handle.staleness(), Staleness::Fresh);
        assert!(world.handle.stats().polls >= 2);

        world.server.script(|script| script.oldest = 20);
        for n in 4..22 {
            world.server.revoke(&[&format!("s{n}")]);
        }
        world.reaches(21).await;
        assert_eq!(world.voids("s4"), Some(Kind::Sid));
    }
}

#[tokio::test]
async fn a_node_that_is_behind_a_poll_is_asked_again() {
    let world = World::begin(|server| {
        server.revoke(&["one"]);
        server.script(|script| script.stream = Stream::Missing);
    })
    .await;
    world.reaches(1).await;
    world.server.script(|script| script.beyond = true);
    let polls = world.handle.stats().polls;
    world.until("polls", |handle| handle.stats().polls > polls + 4).await;
    world.server.script(|script| script.beyond = false);
    world.server.revoke(&["two"]);
    world.reaches(2).await;
}

#[tokio::test]
async fn a_node_that_is_behind_a_stream_is_asked_again_before_a_snapshot_is_taken() {
    let world = World::begin(|server| server.revoke(&["one"])).await;
    world.reaches(1).await;
    world.server.script(|script| script.beyond = true);
    world.server.cut();
    let took = |world: &World| world.server.requests().iter().any(|path| path.ends_with("snapshot"));
    world.until("a snapshot", |_| took(&world)).await;
    let requests = world.server.requests();
    let before = requests.iter().take_while(|path| !path.ends_with("snapshot"));
    let asked = before.filter(|path| path.ends_with("stream?from=1")).count();
    assert_eq!(asked, 2, "{requests:?}");
    world.server.script(|script| script.beyond = false);
    world.server.revoke(&["two"]);
    world.reaches(2).await;
}

#[tokio::test]
async fn an_issuer_without_a_feed_is_asked_again_later() {
    let world = World::begin(|server| {
        server.clock.freeze();
        server.script(|script| script.configuration_status = 404);
    })
    .await;
    world.handle.ready().await;
    assert_eq!(world.handle.staleness(), Staleness::NoFeed);
    world.server.script(|script| script.configuration_status = 200);
    world.server.revoke(&["one"]);
    world.reaches(1).await;
    assert_eq!(world.handle.staleness(), Staleness::Fresh);
}

#[tokio::test]
async fn a_feed_that_was_heard_does_not_vanish_with_its_configuration() {
    let world = World::begin(|server| server.revoke(&["one"])).await;
    world.reaches(1).await;
    world.server.script(|script| {
        script.configuration_status = 404;
        script.stream = Stream::Missing;
    });
    world.server.clock.pass(Duration::from_secs(31));
    world.server.cut();
    let asked =
        |world: &World| world.server.requests().iter().filter(|path| path.ends_with("configuration")).count();
    world.until("asked again", |_| asked(&world) > 1).await;
    world.until("polled", |handle| handle.stats().polls > 1).await;
    assert_ne!(world.handle.staleness(), Staleness::NoFeed);
    assert_eq!(world.voids("one"), Some(Kind::Sid));
}

#[tokio::test]
async fn a_configuration_of_another_issuer_is_not_followed() {
    let world = World::begin(|server| server.script(|script| script.other_issuer = true)).await;
    world.until("attempts", |handle| handle.stats().reconnects > 3).await;
    assert_eq!((world.handle.staleness(), world.handle.stats().messages), (Staleness::Hard, 0));
}

#[tokio::test]
async fn a_key_taken_out_of_use_calls_back_once() {
    let world = World::begin(|_| {}).await;
    world.reaches(0).await;
    let removed = Entry { kind: Kind::Kid, id: "k1".into(), min: None, dies_at: 4_000_000_000 };
    world.server.state(vec![removed.clone()]);
    world.server.state(vec![removed]);
    world.reaches(2).await;
    assert_eq!(*world.keys_removed.lock().unwrap(), ["k1"]);
    let token = Coordinates { kid: Some("k1"), ..Coordinates::default() };
    assert_eq!(world.handle.voids(&token), Some(Kind::Kid));
}

#[tokio::test]
async fn a_long_snapshot_is_taken_in_and_its_entries_die() {
    let world = World::begin(|server| {
        let many = |from: usize| {
            (from..from + 9_999).map(|n| sid(&format!("s{n}"), server.clock.seconds() + 600)).collect()
        };
        server.state(many(0));
        server.state(many(9_999));
    })
    .await;
    world.reaches(2).await;
    assert_eq!(world.handle.stats().live, 19_998);
    assert_eq!(
        (world.voids("s0"), world.voids("s19997"), world.voids("s19998")),
        (Some(Kind::Sid), Some(Kind::Sid), None)
    );
    world.server.clock.pass(Duration::from_secs(601));
    world.server.beat();
    world.until("deaths", |handle| handle.stats().live == 0).await;
    assert_eq!(world.voids("s0"), None);
}
