//! The follower's rules one by one. Sequences of messages are in the vectors and the property tests.

use super::super::entry::{Entry, Kind};
use super::super::message::{Batch, GENESIS, Heartbeat, Snapshot};
use super::*;

const START: i64 = 1_800_000_000_000;

fn sid(id: &str, dies_at: i64) -> Entry {
    Entry { kind: Kind::Sid, id: id.into(), min: None, dies_at }
}

fn snapshot(n: i64, at: i64, head: &str) -> Message {
    Message::Snapshot(Snapshot { issuer: "i".into(), n, at, head: head.into(), entries: Vec::new() })
}

fn batch(n: i64, at: i64, prev: &str, entries: Vec<Entry>) -> Message {
    Message::Batch(Batch { issuer: "i".into(), n, at, prev: prev.into(), entries })
}

fn heartbeat(n: i64, at: i64, head: &str) -> Message {
    Message::Heartbeat(Heartbeat { issuer: "i".into(), n, at, head: head.into() })
}

/// A follower with a local clock that is right, and a monotonic clock that began with it.
struct World {
    follower: Follower,
}

impl World {
    fn at(n: i64, head: &str) -> Self {
        let mut world = Self { follower: Follower::default() };
        assert_eq!(world.hear(&snapshot(n, START, head), "", 0), Next::Continue);
        world
    }

    fn hear(&mut self, message: &Message, digest: &str, millis: u64) -> Next {
        let now = START + i64::try_from(millis).unwrap();
        self.follower.receive(message, digest, now, Duration::from_millis(millis))
    }

    fn age(&self, millis: u64) -> u128 {
        let now = START + i64::try_from(millis).unwrap();
        self.follower.staleness(now, Duration::from_millis(millis)).unwrap().as_millis()
    }

    fn position(&self) -> (i64, &str) {
        let position = self.follower.position().unwrap();
        (position.n, &position.digest)
    }
}

#[test]
fn without_a_snapshot_nothing_is_a_position() {
    for message in [batch(1, START, GENESIS, vec![sid("s", 2_000_000_000)]), heartbeat(0, START, GENESIS)] {
        let mut follower = Follower::default();
        assert_eq!(follower.receive(&message, "d", START, Duration::ZERO), Next::TakeSnapshot);
        assert_eq!(follower.position(), None);
        assert_eq!(follower.staleness(START, Duration::ZERO), None);
        assert_eq!(follower.live().len(), message.entries().len());
    }
    assert_eq!(Staleness::of(None), Staleness::Hard);
}

#[test]
fn a_batch_that_continues_the_chain_moves_the_position() {
    let mut world = World::at(4, "d4");
    assert_eq!(world.hear(&batch(5, START + 900, "d4", vec![]), "d5", 1_000), Next::Continue);
    assert_eq!(world.position(), (5, "d5"));
    assert_eq!(world.age(1_000), 100);
}

#[test]
fn a_gap_or_a_broken_chain_asks_for_a_snapshot_and_moves_nothing() {
    for message in [batch(6, START + 900, "d5", vec![]), batch(5, START + 900, "other", vec![])] {
        let mut world = World::at(4, "d4");
        assert_eq!(world.hear(&message, "d", 1_000), Next::TakeSnapshot);
        assert_eq!((world.position(), world.age(1_000)), ((4, "d4"), 1_000));
    }
}

#[test]
fn a_batch_that_is_no_newer_is_a_duplicate_whatever_its_digest_is() {
    for n in 1..=4 {
        let mut world = World::at(4, "d4");
        assert_eq!(world.hear(&batch(n, START + 900, "fork", vec![]), "fork", 1_000), Next::Continue);
        assert_eq!((world.position(), world.age(1_000)), ((4, "d4"), 1_000));
    }
}

#[test]
fn entries_are_folded_in_whatever_follows_from_the_number() {
    let dies_at = START / 1_000 + 600;
    for (n, prev) in [(5, "d4"), (6, "d5"), (5, "fork"), (4, "d3"), (1, GENESIS)] {
        let mut world = World::at(4, "d4");
        world.hear(&batch(n, START, prev, vec![sid("s", dies_at)]), "d", 10);
        assert_eq!(world.follower.live().entries(), [sid("s", dies_at)]);
    }
}

#[test]
fn a_snapshot_of_an_earlier_number_is_a_rollback_and_credits_nothing() {
    let mut world = World::at(4, "d4");
    assert_eq!(world.hear(&snapshot(3, START + 1_000, "d3"), "", 1_000), Next::RolledBack);
    assert_eq!((world.position(), world.age(1_000)), ((4, "d4"), 1_000));
    assert_eq!(world.hear(&snapshot(4, START + 2_000, "fork"), "", 2_000), Next::Continue);
    assert_eq!((world.position(), world.age(2_000)), ((4, "fork"), 0));
}

#[test]
fn a_heartbeat_credits_only_its_own_position() {
    let mut world = World::at(4, "d4");
    assert_eq!(world.hear(&heartbeat(4, START + 1_000, "d4"), "", 1_000), Next::Continue);
    assert_eq!(world.age(1_500), 500);
    assert_eq!(world.hear(&heartbeat(3, START + 2_000, "d3"), "", 2_000), Next::Continue);
    assert_eq!(world.hear(&heartbeat(5, START + 3_000, "d5"), "", 3_000), Next::TakeSnapshot);
    assert_eq!(world.hear(&heartbeat(4, START + 3_000, "fork"), "", 3_000), Next::TakeSnapshot);
    assert_eq!((world.position(), world.age(4_000)), ((4, "d4"), 3_000));
}

#[test]
fn a_replayed_heartbeat_is_not_fresh_again() {
    let mut world = World::at(4, "d4");
    let replayed = heartbeat(4, START + 1_000, "d4");
    for second in 1..40 {
        assert_eq!(world.hear(&replayed, "", second * 1_000), Next::Continue);
        assert_eq!(world.age(second * 1_000), u128::from(second - 1) * 1_000);
    }
    assert_eq!(Staleness::of(world.follower.staleness(START, Duration::from_secs(40))), Staleness::Hard);
}

#[test]
fn the_classes_of_staleness_begin_above_three_and_thirty_seconds() {
    for (millis, class) in [
        (0, Staleness::Fresh),
        (3_000, Staleness::Fresh),
        (3_001, Staleness::Soft),
        (30_000, Staleness::Soft),
        (30_001, Staleness::Hard),
    ] {
        assert_eq!(Staleness::of(Some(Duration::from_millis(millis))), class, "{millis}");
    }
}

#[test]
fn a_clock_half_a_minute_off_is_fresh_and_one_further_ahead_is_not() {
    for (off, age) in
        [(-40_000, 0), (-30_000, 0), (0, 0), (30_000, 0), (31_000, 1_000), (3_600_000, 3_570_000)]
    {
        let mut follower = Follower::default();
        follower.receive(&snapshot(4, START, "d4"), "", START + off, Duration::ZERO);
        let staleness = follower.staleness(START + off, Duration::ZERO).unwrap();
        assert_eq!(staleness.as_millis(), age, "{off}");
        let later = follower.staleness(START + off + 5_000, Duration::from_secs(5)).unwrap();
        assert_eq!(later.as_millis(), age + 5_000, "{off}");
    }
}

#[test]
fn a_clock_that_was_set_right_is_believed_after_two_windows() {
    let mut world = World::at(4, "d4");
    let mut ages = Vec::new();
    for second in 1..200_u64 {
        let server = START + i64::try_from(second).unwrap() * 1_000;
        // Far behind until the tenth second, right from then on.
        let local = if second <= 10 { server - 3_600_000 } else { server };
        let mono = Duration::from_secs(second);
        world.follower.receive(&heartbeat(4, server, "d4"), "", local, mono);
        ages.push(world.follower.staleness(local, mono).unwrap().as_secs());
    }
    assert_eq!(ages[..10], [0; 10]);
    assert_eq!(ages[10..119], [30; 109]);
    assert_eq!(ages[119..], [0; 80]);
}

#[test]
fn a_clock_that_went_back_asks_for_a_snapshot_once() {
    let dies_at = START / 1_000 + 600;
    let held = || batch(5, START, "d4", vec![sid("s", dies_at)]);
    let mut follower = Follower::default();
    let mut hear = |message: &Message, local: i64| {
        let next = follower.receive(message, "d5", local, Duration::ZERO);
        (next, follower.live().len())
    };
    assert_eq!(hear(&snapshot(4, START, "d4"), START), (Next::Continue, 0));
    assert_eq!(hear(&held(), START), (Next::Continue, 1));
    assert_eq!(hear(&heartbeat(5, START, "d5"), START + 3_600_000), (Next::Continue, 0));
    assert_eq!(hear(&heartbeat(5, START, "d5"), START + 1_000), (Next::TakeSnapshot, 0));
    assert_eq!(hear(&heartbeat(5, START, "d5"), START + 2_000), (Next::Continue, 0));
    let all = Message::Snapshot(Snapshot {
        issuer: "i".into(),
        n: 5,
        at: START + 2_000,
        head: "d5".into(),
        entries: vec![sid("s", dies_at)],
    });
    assert_eq!(hear(&all, START + 2_000), (Next::Continue, 1));
}
