//! Sequences of messages, and what a follower makes of each.

use serde_json::{Value, json};

use super::super::message::digest;
use super::book::{Book, LIFE, START};

/// A follower's story. Its local clock is `skew` milliseconds ahead of the server's.
struct Story<'a> {
    book: &'a mut Book,
    skew: i64,
    steps: Vec<Value>,
    position: Value,
}

/// What a step has to come to: the staleness in milliseconds, and how many entries live.
type Expected = (Option<i64>, usize);

impl<'a> Story<'a> {
    fn new(book: &'a mut Book, skew: i64) -> Self {
        Self { book, skew, steps: Vec::new(), position: Value::Null }
    }

    /// From here on the position is the batch of that name.
    fn reaches(&mut self, batch: &str) -> &mut Self {
        let message = self.book.find(batch);
        self.position = json!({"n": message.message.n(), "digest": digest(&message.compact)});
        self
    }

    fn stands(&mut self, n: i64, digest: &str) -> &mut Self {
        self.position = json!({"n": n, "digest": digest});
        self
    }

    fn hears(&mut self, millis: i64, message: &str, next: &str, expected: Expected) -> &mut Self {
        self.book.find(message);
        self.step(millis, self.skew, (json!(message), json!(next)), expected)
    }

    /// The position, and a heartbeat on it.
    fn beats(&mut self, millis: i64, (n, said): (i64, i64), next: &str, expected: Expected) -> &mut Self {
        let name = self.book.heartbeat(n, said);
        self.hears(millis, &name, next, expected)
    }

    /// Nothing comes; time has passed.
    fn waits(&mut self, millis: i64, expected: Expected) -> &mut Self {
        self.step(millis, self.skew, (Value::Null, Value::Null), expected)
    }

    fn step(&mut self, millis: i64, skew: i64, what: (Value, Value), expected: Expected) -> &mut Self {
        let class = match expected.0 {
            Some(age) if age <= 3_000 => "fresh",
            Some(age) if age <= 30_000 => "soft",
            _ => "hard",
        };
        self.steps.push(json!({
            "local": START * 1_000 + millis + skew, "mono": millis, "receive": what.0, "next": what.1,
            "position": self.position, "staleness": expected.0, "class": class, "live": expected.1,
        }));
        self
    }

    fn told(&mut self, name: &str) -> Value {
        json!({"name": name, "steps": std::mem::take(&mut self.steps)})
    }
}

pub(super) fn all(book: &mut Book) -> Value {
    let genesis = super::super::message::GENESIS;
    let mut stories = vec![
        Story::new(book, 0)
            .waits(0, (None, 0))
            .stands(0, genesis)
            .hears(40, "snapshot 0", "continue", (Some(0), 0))
            .beats(540, (0, 500), "continue", (Some(0), 0))
            .reaches("batch 1")
            .hears(1_040, "batch 1", "continue", (Some(0), 2))
            .beats(1_550, (1, 1_500), "continue", (Some(10), 2))
            .reaches("batch 2")
            .hears(2_030, "batch 2", "continue", (Some(0), 5))
            .reaches("batch 3")
            .hears(3_060, "batch 3", "continue", (Some(30), 7))
            .reaches("batch 4")
            .hears(4_030, "batch 4", "continue", (Some(0), 7))
            .waits(5_000, (Some(970), 7))
            .told("from the first snapshot along the chain"),
        Story::new(book, 0)
            .hears(4_000, "batch 4", "take_snapshot", (None, 2))
            .beats(4_400, (4, 4_400), "take_snapshot", (None, 2))
            .reaches("batch 4")
            .hears(4_500, "snapshot 4", "continue", (Some(0), 7))
            .told("before the first snapshot nothing is a position, and all entries count"),
    ];
    stories.push(gap(book));
    stories.push(broken_chain(book));
    stories.push(other_head(book));
    stories.push(duplicates(book));
    stories.push(rollback(book));
    stories.push(jump(book));
    stories.push(replay(book));
    stories.push(node_behind(book));
    stories.push(stall(book));
    stories.push(deaths(book));
    for skew in [-30_000, 30_000, -40_000, 32_000] {
        stories.push(skewed(book, skew));
    }
    stories.push(set_right(book));
    stories.push(went_back(book));
    Value::Array(stories)
}

fn gap(book: &mut Book) -> Value {
    Story::new(book, 0)
        .stands(0, super::super::message::GENESIS)
        .hears(0, "snapshot 0", "continue", (Some(0), 0))
        .reaches("batch 1")
        .hears(1_000, "batch 1", "continue", (Some(0), 2))
        .hears(3_000, "batch 3", "take_snapshot", (Some(2_000), 4))
        .hears(4_000, "batch 4", "take_snapshot", (Some(3_000), 4))
        .reaches("batch 4")
        .hears(4_600, "snapshot 4", "continue", (Some(100), 7))
        .reaches("batch 5")
        .hears(5_000, "batch 5", "continue", (Some(0), 7))
        .told("a gap moves nothing and credits nothing; its entries count; a snapshot closes it")
}

fn broken_chain(book: &mut Book) -> Value {
    Story::new(book, 0)
        .reaches("batch 4")
        .hears(4_500, "snapshot 4", "continue", (Some(0), 7))
        .hears(5_100, "batch 5, forked", "take_snapshot", (Some(600), 8))
        .reaches("batch 5")
        .hears(5_200, "batch 5", "continue", (Some(200), 8))
        .told("a batch that names another predecessor moves nothing; its entries count")
}

fn other_head(book: &mut Book) -> Value {
    let forked = book.forked_heartbeat(5_000);
    Story::new(book, 0)
        .reaches("batch 4")
        .hears(4_500, "snapshot 4", "continue", (Some(0), 7))
        .hears(5_000, &forked, "take_snapshot", (Some(500), 7))
        .beats(5_500, (4, 5_500), "continue", (Some(0), 7))
        .beats(6_500, (6, 6_500), "take_snapshot", (Some(1_000), 7))
        .told("a heartbeat of another digest, or of a number ahead, asks for a snapshot and credits nothing")
}

fn duplicates(book: &mut Book) -> Value {
    Story::new(book, 0)
        .reaches("batch 4")
        .hears(4_500, "snapshot 4", "continue", (Some(0), 7))
        .hears(6_000, "batch 4", "continue", (Some(1_500), 7))
        .hears(6_000, "batch 1", "continue", (Some(1_500), 7))
        .hears(6_000, "batch 4, forked", "continue", (Some(1_500), 8))
        .hears(6_500, "snapshot 4", "continue", (Some(2_000), 8))
        .told("batches up to the position are duplicates, and an at that is not larger credits nothing")
}

fn rollback(book: &mut Book) -> Value {
    Story::new(book, 0)
        .reaches("batch 6")
        .hears(20_000, "snapshot 6", "continue", (Some(0), 7))
        .hears(30_000, "snapshot 2, later", "rolled_back", (Some(10_000), 7))
        .beats(31_000, (2, 31_000), "continue", (Some(11_000), 7))
        .hears(31_500, "batch 3", "continue", (Some(11_500), 7))
        .hears(50_001, "snapshot 2, later", "rolled_back", (Some(30_001), 7))
        .beats(51_000, (6, 51_000), "continue", (Some(0), 7))
        .told("a server that lost its memory is not credited, and un-revokes nothing")
}

fn jump(book: &mut Book) -> Value {
    let jumped = digest("jumped");
    Story::new(book, 0)
        .reaches("batch 6")
        .hears(20_000, "snapshot 6", "continue", (Some(0), 7))
        .stands((1 << 32) + 6, &jumped)
        .hears(40_000, "snapshot after a jump", "continue", (Some(0), 7))
        .told("after restore-epoch the number is far ahead, and nothing is forgotten")
}

fn replay(book: &mut Book) -> Value {
    let name = "a replayed heartbeat is not fresh again";
    let mut story = Story::new(book, 0);
    story.reaches("batch 4").hears(4_500, "snapshot 4", "continue", (Some(0), 7));
    for (millis, age) in [(5_500, 0), (6_500, 1_000), (8_501, 3_001), (35_500, 30_000), (35_501, 30_001)] {
        story.beats(millis, (4, 5_500), "continue", (Some(age), 7));
    }
    // An hour later: even a verifier that has heard nothing for two minutes is not deceived.
    story.beats(3_605_500, (4, 5_500), "continue", (Some(3_600_000), 0));
    story.told(name)
}

fn node_behind(book: &mut Book) -> Value {
    Story::new(book, 0)
        .reaches("batch 6")
        .hears(20_000, "snapshot 6", "continue", (Some(0), 7))
        .beats(21_000, (4, 21_000), "continue", (Some(1_000), 7))
        .beats(22_000, (6, 22_000), "continue", (Some(0), 7))
        .told("a node that is behind is ignored")
}

fn stall(book: &mut Book) -> Value {
    Story::new(book, 0)
        .reaches("batch 4")
        .hears(4_500, "snapshot 4", "continue", (Some(0), 7))
        .beats(5_020, (4, 5_000), "continue", (Some(20), 7))
        .waits(8_000, (Some(3_000), 7))
        .waits(8_001, (Some(3_001), 7))
        .waits(35_000, (Some(30_000), 7))
        .waits(35_001, (Some(30_001), 7))
        .beats(36_000, (4, 35_900), "continue", (Some(100), 7))
        .told("a feed that falls silent is soft above 3 s and hard above 30 s")
}

fn deaths(book: &mut Book) -> Value {
    let life = LIFE * 1_000;
    Story::new(book, 0)
        .reaches("batch 4")
        .hears(4_500, "snapshot 4", "continue", (Some(0), 7))
        .beats(life + 1_999, (4, life + 1_999), "continue", (Some(0), 7))
        .beats(life + 2_000, (4, life + 2_000), "continue", (Some(0), 4))
        .beats(life + 3_500, (4, life + 3_500), "continue", (Some(0), 2))
        .beats(life + 4_000, (4, life + 4_000), "continue", (Some(0), 0))
        .hears(life + 4_100, "snapshot 4", "continue", (Some(100), 0))
        .told("entries die in the second of their dies_at, and a replay does not wake them")
}

/// Up to half a minute is the clock's fault, and further behind as well: an `at` in the future is not old.
fn skewed(book: &mut Book, skew: i64) -> Value {
    let over = (skew - 30_000).max(0);
    Story::new(book, skew)
        .reaches("batch 4")
        .hears(4_500, "snapshot 4", "continue", (Some(over), 7))
        .beats(5_700, (4, 5_500), "continue", (Some(over_by(skew, 200)), 7))
        .waits(8_500, (Some((over_by(skew, 3_000)).max(2_800)), 7))
        .waits(36_000, (Some((over_by(skew, 30_500)).max(30_300)), 7))
        .told(&format!("a local clock {skew} ms ahead"))
}

/// Local clock − credited at − skew, for a statement that is `age` old by a right clock.
fn over_by(skew: i64, age: i64) -> i64 {
    (age + skew - skew.clamp(-30_000, 30_000)).max(0)
}

fn set_right(book: &mut Book) -> Value {
    let mut story = Story::new(book, -3_600_000);
    story.reaches("batch 4").hears(4_500, "snapshot 4", "continue", (Some(0), 7));
    story.beats(50_000, (4, 50_000), "continue", (Some(0), 7));
    story.skew = 0;
    for (millis, age) in [(59_000, 30_000), (61_000, 30_000), (119_000, 30_000), (120_000, 0), (121_000, 0)] {
        story.beats(millis, (4, millis), "continue", (Some(age), 7));
    }
    story.told("a clock that was an hour behind and was set right is believed in the second minute after")
}

fn went_back(book: &mut Book) -> Value {
    let mut story = Story::new(book, 0);
    story.reaches("batch 4").hears(4_500, "snapshot 4", "continue", (Some(0), 7));
    story.skew = 3_600_000;
    story.beats(5_000, (4, 5_000), "continue", (Some(3_600_000), 0));
    story.skew = 0;
    story.beats(6_000, (4, 6_000), "take_snapshot", (Some(0), 0));
    story.beats(7_000, (4, 7_000), "continue", (Some(0), 0));
    story.hears(7_100, "snapshot 4", "continue", (Some(100), 7));
    story.told("a clock that was ahead has dropped what lives, and asks for it once it has gone back")
}
