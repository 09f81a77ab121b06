//! Exhaustive search of rotation in a small world, against the shipped [`verdict`] and [`apply`].
//!
//! One cookie jar, parallel tabs, and a network that loses, delays, duplicates and reorders within bounds; then
//! a database that loses commits; then a thief. A tick is a second. The state counts of the first search are
//! those of the Python model of the same machine, which was written before this code.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use super::table::{GOOD, family};
use super::*;

/// Bounds of one search, in ticks: W, H, longest request delay, longest reply delay; messages in flight; B.
#[derive(Clone, Copy)]
struct World {
    w: u8,
    h: u8,
    request_delay: u8,
    reply_delay: u8,
    in_flight: usize,
    burst: u32,
    late: Late,
    /// Replies may be lost.
    lossy: bool,
    /// The database may fall back to an earlier state, again and again; generations further apart than this
    /// are then not followed.
    rollback: Option<u8>,
}

impl World {
    const fn new(w: u8, h: u8, delays: (u8, u8), in_flight: usize, burst: u32) -> Self {
        let late = Late::Displace { horizon: Duration::MAX };
        let (request_delay, reply_delay) = delays;
        Self { w, h, request_delay, reply_delay, in_flight, burst, late, lossy: true, rollback: None }
    }

    fn policy(&self) -> RotationPolicy {
        RotationPolicy {
            rotates: true,
            retry_window: Duration::from_secs(self.w.into()),
            hold_horizon: Duration::from_secs(self.h.into()),
            burst: self.burst,
            late: self.late,
        }
    }
}

/// The row as the search keeps it: the age is capped one tick after H.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Row {
    base: u8,
    cur: u8,
    age: u8,
    burst: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    reply: bool,
    /// A request that the network may deliver once more.
    again: bool,
    age: u8,
    generation: u8,
}

#[derive(Clone)]
struct State {
    row: Row,
    /// What the database may fall back to.
    saved: Row,
    jar: u8,
    messages: Vec<Message>,
}

impl State {
    fn start(world: &World) -> Self {
        let row = Row { base: 0, cur: 0, age: world.h + 1, burst: 0 };
        Self { row, saved: row, jar: 0, messages: Vec::new() }
    }

    fn generations(&mut self) -> impl Iterator<Item = &mut u8> {
        let rows = [&mut self.row.base, &mut self.row.cur, &mut self.saved.base, &mut self.saved.cur];
        let messages = self.messages.iter_mut().map(|message| &mut message.generation);
        rows.into_iter().chain([&mut self.jar]).chain(messages)
    }

    /// Generations matter only by their order, so they are renumbered and the search holds for any number of
    /// rotations. After a rollback `cur + 1` may meet a generation that is already out, so their distances
    /// matter too and they are only shifted.
    fn normalised(mut self, world: &World) -> Option<(u128, Self)> {
        if world.rollback.is_none() {
            self.saved = self.row;
        }
        let mut present = 0u32;
        for generation in self.generations() {
            present |= 1 << *generation;
        }
        let lowest = present.trailing_zeros();
        for generation in self.generations() {
            let below = present & ((1u32 << *generation) - 1);
            let rank =
                if world.rollback.is_some() { u32::from(*generation) - lowest } else { below.count_ones() };
            *generation = u8::try_from(rank).unwrap();
        }
        self.messages.sort_unstable();
        let widest = self.generations().map(|generation| *generation).max().unwrap();
        if world.rollback.is_some_and(|spread| widest > spread) {
            return None;
        }
        Some((self.packed(), self))
    }

    fn packed(&self) -> u128 {
        assert!(self.messages.len() <= 9, "the packing holds nine messages");
        let mut packed = 0u128;
        let mut push = |value: u8, bits: u32| {
            assert!(value < 1 << bits, "the packing is too narrow");
            packed = packed << bits | u128::from(value);
        };
        for message in &self.messages {
            // A first bit that is always set keeps lists of different lengths apart.
            let kind = 4 | u8::from(message.reply) << 1 | u8::from(message.again);
            push(kind, 3);
            push(message.age, 2);
            push(message.generation, 4);
        }
        for row in [self.row, self.saved] {
            for value in [row.base, row.cur, row.age, row.burst] {
                push(value, 4);
            }
        }
        push(self.jar, 4);
        packed
    }
}

/// Packed states are well spread by one multiplication; the standard hasher would take most of the time.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only u128 is hashed")
    }

    fn write_u128(&mut self, value: u128) {
        let folded = u64::try_from(value >> 64).unwrap().rotate_left(32)
            ^ u64::try_from(value & u128::from(u64::MAX)).unwrap();
        let mixed = folded.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ mixed >> 29;
    }
}

/// The shipped functions, driven in ticks.
struct Server {
    family: Family,
    policy: RotationPolicy,
}

impl Server {
    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn new(policy: RotationPolicy) -> Self {
        Self { family: family(0, 0, 0, Duration::ZERO), policy }
    }

    /// The verdict, the row after it, and the generation the reply carries.
    fn decide(&mut self, row: Row, presented: u8) -> (Verdict, Row, Option<u8>) {
        let rotated_at = Self::NOW.minus(Duration::from_secs(row.age.into()));
        let (base, cur) = (row.base.into(), row.cur.into());
        self.family.counters = Counters { base, cur, rotated_at, burst: row.burst.into() };
        let verdict = verdict(&self.family, &GOOD, presented.into(), Self::NOW, &self.policy);
        let after = apply(verdict, &self.family.counters, presented.into(), Self::NOW, &self.policy);
        assert_eq!(verdict.moves_counters(), after != self.family.counters);
        let small = |value: u32| u8::try_from(value).unwrap();
        let age = small(u32::try_from(Self::NOW.since(after.rotated_at).as_secs()).unwrap());
        let row = Row { base: small(after.base), cur: small(after.cur), age, burst: small(after.burst) };
        (verdict, row, verdict.carries_refresh_token().then_some(row.cur))
    }
}

/// Searches every schedule; the number of states, or that an honest client was accused.
fn honest(world: World) -> Result<usize, &'static str> {
    let mut server = Server::new(world.policy());
    let (packed, start) = State::start(&world).normalised(&world).unwrap();
    let mut seen: HashSet<u128, BuildHasherDefault<Spread>> = HashSet::default();
    seen.insert(packed);
    let mut todo = vec![start];
    while let Some(state) = todo.pop() {
        let mut following = moves_of_time(&state, &world);
        for at in 0..state.messages.len() {
            following.extend(moves_of_message(&state, at, &world, &mut server)?);
        }
        for (packed, state) in following.into_iter().filter_map(|state| state.normalised(&world)) {
            if seen.insert(packed) {
                todo.push(state);
            }
        }
    }
    Ok(seen.len())
}

/// A tab sends what the jar holds, a tick passes, the database is saved or falls back.
fn moves_of_time(state: &State, world: &World) -> Vec<State> {
    let mut following = Vec::new();
    if state.messages.len() < world.in_flight {
        let mut sent = state.clone();
        sent.messages.push(Message { reply: false, again: true, age: 0, generation: state.jar });
        following.push(sent);
    }
    let limit = |message: &Message| if message.reply { world.reply_delay } else { world.request_delay };
    if state.messages.iter().all(|message| message.age < limit(message)) {
        let mut later = state.clone();
        for row in [&mut later.row, &mut later.saved] {
            row.age = (row.age + 1).min(world.h + 1);
        }
        for message in &mut later.messages {
            message.age += 1;
        }
        following.push(later);
    }
    if world.rollback.is_some() {
        following.push(State { saved: state.row, ..state.clone() });
        following.push(State { row: state.saved, ..state.clone() });
    }
    following
}

/// A message is lost, or a request arrives (and is delivered once more), or a reply is stored.
fn moves_of_message(
    state: &State,
    at: usize,
    world: &World,
    server: &mut Server,
) -> Result<Vec<State>, &'static str> {
    let mut rest = state.clone();
    let message = rest.messages.remove(at);
    let mut following = Vec::new();
    if message.reply {
        following.push(State { jar: message.generation, ..rest.clone() });
        if world.lossy {
            following.push(rest);
        }
        return Ok(following);
    }
    following.push(rest.clone());
    let (verdict, row, carried) = server.decide(state.row, message.generation);
    if !verdict.carries_access_token() {
        return Err("an honest client is accused");
    }
    let mut answered = State { row, ..rest };
    answered.messages.extend(carried.map(|generation| Message {
        reply: true,
        again: false,
        age: 0,
        generation,
    }));
    if message.again {
        let mut repeated = answered.clone();
        repeated.messages.push(Message { again: false, ..message });
        following.push(repeated);
    }
    following.push(answered);
    Ok(following)
}

#[test]
fn w2_h4_four_in_flight() {
    assert_eq!(honest(World::new(2, 4, (1, 1), 4, 2)), Ok(104_864));
}

#[test]
fn w3_h6_slow_requests() {
    assert_eq!(honest(World::new(3, 6, (2, 1), 3, 2)), Ok(49_408));
}

#[test]
fn w3_h6_slow_replies() {
    assert_eq!(honest(World::new(3, 6, (1, 2), 3, 3)), Ok(49_349));
}

#[test]
fn w3_h6_without_bursts() {
    assert_eq!(honest(World::new(3, 6, (1, 2), 3, 0)), Ok(3_402));
}

#[test]
fn w0_h2_without_retries() {
    assert_eq!(honest(World::new(0, 2, (1, 1), 3, 2)), Ok(9_717));
}

#[test]
fn w1_h3_one_advance_in_a_burst() {
    assert_eq!(honest(World::new(1, 3, (1, 1), 3, 1)), Ok(5_638));
}

#[test]
fn a_hold_horizon_shorter_than_both_delays_accuses() {
    assert!(honest(World::new(2, 3, (1, 1), 3, 2)).is_err());
}

#[test]
fn a_database_that_loses_commits_accuses_nobody() {
    assert_eq!(honest(World { rollback: Some(4), ..World::new(1, 3, (1, 1), 2, 2) }), Ok(294_659));
}

#[test]
fn a_database_that_loses_commits_accuses_nobody_with_three_in_flight() {
    assert_eq!(honest(World { rollback: Some(2), ..World::new(1, 3, (1, 1), 3, 1) }), Ok(91_424));
}

#[test]
fn a_database_that_loses_commits_accuses_nobody_without_bursts() {
    assert_eq!(honest(World { rollback: Some(5), ..World::new(1, 3, (1, 1), 2, 0) }), Ok(140_061));
}

#[test]
fn strict_accuses_nobody_only_while_no_reply_is_lost_and_one_request_runs() {
    let strict = World { late: Late::Strict, ..World::new(2, 4, (1, 1), 1, 2) };
    assert_eq!(honest(World { lossy: false, ..strict }), Ok(109));
    assert!(honest(strict).is_err(), "a lost reply");
    assert!(honest(World { lossy: false, in_flight: 3, ..strict }).is_err(), "parallel tabs");
}

/// Owner and thief use one family in any order, uses more than H apart: most switches before it dies.
fn switches(policy: RotationPolicy, stolen: u8) -> usize {
    let mut server = Server::new(policy);
    let old = u8::try_from(policy.hold_horizon.as_secs()).unwrap() + 1;
    let mut worst = 0;
    let start = Row { base: 0, cur: 1, age: old, burst: 0 };
    let mut todo = vec![(start, [1, stolen], Vec::new())];
    while let Some((row, held, path)) = todo.pop() {
        for who in [0, 1] {
            let (verdict, after, carried) = server.decide(row, held[who]);
            if verdict == Verdict::Theft {
                worst = worst.max(path.windows(2).filter(|pair| pair[0] != pair[1]).count());
            } else if path.len() < 10 {
                let mut held = held;
                held[who] = carried.unwrap_or(held[who]);
                let path = path.iter().copied().chain([who]).collect();
                todo.push((Row { age: old, ..after }, held, path));
            }
        }
    }
    worst
}

#[test]
fn owner_and_thief_cannot_go_on_alternating() {
    let policy = World::new(2, 4, (1, 1), 3, 8).policy();
    assert_eq!(switches(policy, 1), 1, "the current token was stolen");
    assert_eq!(switches(policy, 0), 0, "a superseded token was stolen");
}

#[test]
fn strict_finds_a_superseded_token_at_once() {
    let policy = RotationPolicy { late: Late::Strict, ..World::new(2, 4, (1, 1), 3, 8).policy() };
    assert_eq!(switches(policy, 0), 0);
    assert_eq!(switches(policy, 1), 0);
}
