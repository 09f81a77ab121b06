//! The folded state: all revocations that can still void a token. `docs/revocation-feed.md` §1 and §5.

use std::collections::BTreeMap;

use super::entry::{Entry, Kind};
use super::table::Table;

/// Where a token stands: what entries are compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coordinates<'a> {
    /// The key that signed it, from its header.
    pub kid: Option<&'a str>,
    /// When it was issued, in Unix seconds.
    pub iat: i64,
    /// The claim `client_id`.
    pub client: Option<&'a str>,
    /// The claim `sub`.
    pub sub: Option<&'a str>,
    /// The claim `sid`.
    pub sid: Option<&'a str>,
    /// The claim `jti`.
    pub jti: Option<&'a str>,
    /// The claim `rv`; absent from a token that no user stands behind.
    pub rv: Option<Rv<'a>>,
}

/// The claim `rv`: counters instead of clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rv<'a> {
    /// The user's epoch when the token was issued.
    pub epoch: i64,
    /// The handle of the family of refresh tokens.
    pub family: &'a str,
    /// The generation within the family.
    pub generation: i64,
}

/// The entries that live, folded. About 30 to 60 bytes each where ids are UUIDs or 16 bytes of base64url.
#[derive(Clone, Debug)]
pub struct Live {
    iss: Option<Floor>,
    kid: Table<i64>,
    client: Table<Floor>,
    sub: Table<Floor>,
    sid: Table<i64>,
    fam: Table<Floor>,
    jti: Table<i64>,
    deaths: Deaths,
}

/// What is held of an entry with a `min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Floor {
    /// [`ALL`] stands for null.
    min: i64,
    dies_at: i64,
}

/// Null, larger than any number that the format can name.
const ALL: i64 = i64::MAX;

/// How far the local clock may go back, in seconds, before the entries that it has dropped are asked for again.
/// `dies_at` lies further behind the last token than this.
pub const STEP_BACK: i64 = 5;

/// The dead are swept once they are this many and an eighth of all: a sweep looks at each entry.
const FEWEST_SWEPT: usize = 256;

impl Default for Live {
    fn default() -> Self {
        Self {
            iss: None,
            kid: Table::default(),
            client: Table::default(),
            sub: Table::default(),
            sid: Table::default(),
            fam: Table::default(),
            jti: Table::default(),
            deaths: Deaths { now: i64::MIN, at: BTreeMap::new(), living: 0, dead: 0 },
        }
    }
}

impl Live {
    /// Merges an entry: the larger `min`, the larger `dies_at`. Says whether that changed the state. An entry that
    /// was dead at the last [`Live::expire`] changes nothing.
    pub fn fold(&mut self, entry: &Entry) -> bool {
        if entry.dies_at <= self.deaths.now {
            return false;
        }
        let floor = Floor { min: entry.min.unwrap_or(ALL), dies_at: entry.dies_at };
        let deaths = &mut self.deaths;
        match entry.kind {
            Kind::Iss => match &mut self.iss {
                Some(held) => deaths.merge(held, floor),
                None => {
                    self.iss = Some(floor);
                    deaths.begin(floor.dies_at);
                    true
                }
            },
            Kind::Kid => fold_into(&mut self.kid, deaths, &entry.id, entry.dies_at),
            Kind::Client => fold_into(&mut self.client, deaths, &entry.id, floor),
            Kind::Sub => fold_into(&mut self.sub, deaths, &entry.id, floor),
            Kind::Sid => fold_into(&mut self.sid, deaths, &entry.id, entry.dies_at),
            Kind::Fam => fold_into(&mut self.fam, deaths, &entry.id, floor),
            Kind::Jti => fold_into(&mut self.jti, deaths, &entry.id, entry.dies_at),
        }
    }

    /// Drops the entries whose `dies_at` is not after `now`, in Unix seconds. Says whether the clock has gone back
    /// by more than [`STEP_BACK`]: what was dropped while it was ahead may live on, and has to be learnt again from
    /// a snapshot.
    pub fn expire(&mut self, now: i64) -> bool {
        if now < self.deaths.now.saturating_sub(STEP_BACK) {
            self.sweep();
            self.deaths.now = now;
            return true;
        }
        self.deaths.advance(now);
        if self.deaths.dead >= FEWEST_SWEPT && self.deaths.dead >= self.deaths.living / 8 {
            self.sweep();
        }
        false
    }

    fn sweep(&mut self) {
        let now = self.deaths.now;
        self.deaths.dead = 0;
        self.iss = self.iss.filter(|floor| floor.dies_at > now);
        self.kid.retain(|dies_at| *dies_at > now);
        self.client.retain(|floor| floor.dies_at > now);
        self.sub.retain(|floor| floor.dies_at > now);
        self.sid.retain(|dies_at| *dies_at > now);
        self.fam.retain(|floor| floor.dies_at > now);
        self.jti.retain(|dies_at| *dies_at > now);
    }

    /// How many entries live.
    pub const fn len(&self) -> usize {
        self.deaths.living
    }

    /// Whether none lives.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The living entries by kind and id, as a snapshot names them.
    pub fn entries(&self) -> Vec<Entry> {
        let now = self.deaths.now;
        let mut entries = Vec::with_capacity(self.len());
        entries.extend(self.iss.map(|floor| floor.entry(Kind::Iss, String::new())));
        for (kind, table) in [(Kind::Client, &self.client), (Kind::Sub, &self.sub), (Kind::Fam, &self.fam)] {
            entries.extend(table.iter().map(|(id, floor)| floor.entry(kind, id.into_owned())));
        }
        for (kind, table) in [(Kind::Kid, &self.kid), (Kind::Sid, &self.sid), (Kind::Jti, &self.jti)] {
            let entry = |id: String, dies_at| Entry { kind, id, min: None, dies_at };
            entries.extend(table.iter().map(|(id, dies_at)| entry(id.into_owned(), *dies_at)));
        }
        entries.retain(|entry| entry.dies_at > now);
        entries.sort_unstable();
        entries
    }

    /// The first kind, in the order of [`Kind::ALL`], whose entry voids a token that stands there; none if it is
    /// not revoked.
    pub fn voids(&self, token: &Coordinates<'_>) -> Option<Kind> {
        let lives = |dies_at: &i64| *dies_at > self.deaths.now;
        let below = |floor: &Floor, number: i64| number < floor.min && lives(&floor.dies_at);
        let named = |table: &Table<i64>, id: Option<&str>| id.and_then(|id| table.get(id)).is_some_and(lives);
        let floor = |table: &Table<Floor>, id: Option<&str>| id.and_then(|id| table.get(id)).copied();

        if self.iss.is_some_and(|iss| below(&iss, token.iat)) {
            return Some(Kind::Iss);
        }
        if named(&self.kid, token.kid) {
            return Some(Kind::Kid);
        }
        if floor(&self.client, token.client).is_some_and(|client| below(&client, token.iat)) {
            return Some(Kind::Client);
        }
        // A token that claims a user without saying its epoch cannot show that it is younger than the entry.
        if floor(&self.sub, token.sub)
            .is_some_and(|sub| token.rv.map_or(lives(&sub.dies_at), |rv| below(&sub, rv.epoch)))
        {
            return Some(Kind::Sub);
        }
        if named(&self.sid, token.sid) {
            return Some(Kind::Sid);
        }
        if token.rv.is_some_and(|rv| {
            floor(&self.fam, Some(rv.family)).is_some_and(|family| below(&family, rv.generation))
        }) {
            return Some(Kind::Fam);
        }
        named(&self.jti, token.jti).then_some(Kind::Jti)
    }
}

impl Floor {
    fn entry(self, kind: Kind, id: String) -> Entry {
        Entry { kind, id, min: (self.min != ALL).then_some(self.min), dies_at: self.dies_at }
    }
}

/// What is held of an entry under its id.
trait Held: Copy + PartialEq {
    fn dies_at(self) -> i64;
    fn merged(self, other: Self) -> Self;
}

impl Held for i64 {
    fn dies_at(self) -> i64 {
        self
    }

    fn merged(self, other: Self) -> Self {
        self.max(other)
    }
}

impl Held for Floor {
    fn dies_at(self) -> i64 {
        self.dies_at
    }

    fn merged(self, other: Self) -> Self {
        Self { min: self.min.max(other.min), dies_at: self.dies_at.max(other.dies_at) }
    }
}

fn fold_into<V: Held>(table: &mut Table<V>, deaths: &mut Deaths, id: &str, new: V) -> bool {
    if let Some(held) = table.get_mut(id) {
        return deaths.merge(held, new);
    }
    table.insert(id, new);
    deaths.begin(new.dies_at());
    true
}

/// How many entries die at which second, so that the living are counted, and nothing swept, without looking at
/// each of them.
#[derive(Clone, Debug)]
struct Deaths {
    now: i64,
    at: BTreeMap<i64, usize>,
    living: usize,
    dead: usize,
}

impl Deaths {
    fn begin(&mut self, dies_at: i64) {
        *self.at.entry(dies_at).or_default() += 1;
        self.living += 1;
    }

    fn end(&mut self, dies_at: i64) {
        if let Some(count) = self.at.get_mut(&dies_at) {
            *count -= 1;
            self.living -= 1;
            if *count == 0 {
                self.at.remove(&dies_at);
            }
        }
    }

    fn advance(&mut self, now: i64) {
        self.now = self.now.max(now);
        while let Some(first) = self.at.first_entry().filter(|first| *first.key() <= self.now) {
            let count = first.remove();
            self.living -= count;
            self.dead += count;
        }
    }

    /// A dead entry that was not swept yet is as good as none.
    fn merge<V: Held>(&mut self, held: &mut V, new: V) -> bool {
        let dead = held.dies_at() <= self.now;
        let merged = if dead { new } else { held.merged(new) };
        if merged == *held {
            return false;
        }
        if dead {
            self.dead = self.dead.saturating_sub(1);
        } else {
            self.end(held.dies_at());
        }
        self.begin(merged.dies_at());
        *held = merged;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: Kind, id: &str, min: Option<i64>, dies_at: i64) -> Entry {
        Entry { kind, id: id.into(), min, dies_at }
    }

    const TOKEN: Coordinates<'static> = Coordinates {
        kid: Some("k"),
        iat: 1_000,
        client: Some("c"),
        sub: Some("u"),
        sid: Some("s"),
        jti: Some("j"),
        rv: Some(Rv { epoch: 4, family: "f", generation: 7 }),
    };

    fn verdict(entry: Entry, token: &Coordinates<'_>) -> Option<Kind> {
        let mut live = Live::default();
        assert_eq!(live.voids(token), None);
        assert!(live.fold(&entry));
        live.voids(token)
    }

    #[test]
    fn an_entry_voids_the_tokens_at_its_coordinate_and_no_others() {
        for (entry, voids) in [
            (entry(Kind::Iss, "", Some(1_001), 9), true),
            (entry(Kind::Iss, "", Some(1_000), 9), false),
            (entry(Kind::Kid, "k", None, 9), true),
            (entry(Kind::Kid, "j", None, 9), false),
            (entry(Kind::Client, "c", Some(1_001), 9), true),
            (entry(Kind::Client, "c", Some(1_000), 9), false),
            (entry(Kind::Client, "u", Some(1_001), 9), false),
            (entry(Kind::Sub, "u", Some(5), 9), true),
            (entry(Kind::Sub, "u", Some(4), 9), false),
            (entry(Kind::Sub, "c", Some(5), 9), false),
            (entry(Kind::Sid, "s", None, 9), true),
            (entry(Kind::Sid, "f", None, 9), false),
            (entry(Kind::Fam, "f", None, 9), true),
            (entry(Kind::Fam, "f", Some(8), 9), true),
            (entry(Kind::Fam, "f", Some(7), 9), false),
            (entry(Kind::Fam, "s", None, 9), false),
            (entry(Kind::Jti, "j", None, 9), true),
            (entry(Kind::Jti, "k", None, 9), false),
        ] {
            let expected = voids.then_some(entry.kind);
            assert_eq!(verdict(entry.clone(), &TOKEN), expected, "{entry:?}");
        }
    }

    #[test]
    fn a_token_without_the_claim_is_voided_by_sub_alone() {
        let bare = Coordinates { iat: 1_000, ..Coordinates::default() };
        let user = Coordinates { sub: Some("u"), rv: None, ..TOKEN };
        assert_eq!(verdict(entry(Kind::Sub, "u", Some(0), 9), &user), Some(Kind::Sub));
        assert_eq!(verdict(entry(Kind::Sub, "u", Some(0), 9), &TOKEN), None);
        assert_eq!(verdict(entry(Kind::Fam, "f", None, 9), &user), None);
        for kind in [Kind::Kid, Kind::Client, Kind::Sub, Kind::Sid, Kind::Fam, Kind::Jti] {
            assert_eq!(verdict(entry(kind, "u", Some(i64::MAX), 9), &bare), None);
        }
        assert_eq!(verdict(entry(Kind::Iss, "", Some(1_001), 9), &bare), Some(Kind::Iss));
    }

    #[test]
    fn entries_of_one_coordinate_merge_into_the_larger_min_and_the_larger_death() {
        let mut live = Live::default();
        assert!(live.fold(&entry(Kind::Fam, "f", Some(3), 20)));
        assert!(!live.fold(&entry(Kind::Fam, "f", Some(2), 20)));
        assert!(live.fold(&entry(Kind::Fam, "f", Some(2), 30)));
        assert!(live.fold(&entry(Kind::Fam, "f", None, 10)));
        assert!(!live.fold(&entry(Kind::Fam, "f", Some(1_000), 30)));
        assert_eq!(live.entries(), [entry(Kind::Fam, "f", None, 30)]);
        assert_eq!(live.len(), 1);
    }

    #[test]
    fn an_entry_is_dropped_when_the_clock_has_reached_its_death_and_never_comes_back() {
        let mut live = Live::default();
        live.fold(&entry(Kind::Sid, "s", None, 20));
        live.expire(19);
        assert_eq!((live.len(), live.voids(&TOKEN)), (1, Some(Kind::Sid)));
        live.expire(20);
        assert_eq!((live.len(), live.voids(&TOKEN)), (0, None));
        assert!(live.entries().is_empty());
        assert!(!live.expire(20 - STEP_BACK));
        assert!(!live.fold(&entry(Kind::Sid, "s", None, 20)));
        assert_eq!((live.len(), live.voids(&TOKEN)), (0, None));
        assert!(live.fold(&entry(Kind::Sid, "s", None, 21)));
        assert_eq!((live.len(), live.voids(&TOKEN)), (1, Some(Kind::Sid)));
    }

    #[test]
    fn what_a_clock_that_was_ahead_has_dropped_can_be_learnt_again_once_it_has_gone_back() {
        let mut live = Live::default();
        live.fold(&entry(Kind::Sid, "s", None, 20));
        live.fold(&entry(Kind::Jti, "j", None, 5_000));
        assert!(!live.expire(3_600));
        assert_eq!((live.len(), live.voids(&TOKEN)), (1, Some(Kind::Jti)));
        assert!(live.expire(10));
        assert!(!live.expire(10));
        assert_eq!((live.len(), live.voids(&TOKEN)), (1, Some(Kind::Jti)));
        assert!(live.fold(&entry(Kind::Sid, "s", None, 20)));
        assert_eq!((live.len(), live.voids(&TOKEN)), (2, Some(Kind::Sid)));
        live.expire(20);
        assert_eq!((live.len(), live.voids(&TOKEN)), (1, Some(Kind::Jti)));
    }

    #[test]
    fn a_dead_entry_lends_its_min_to_no_living_one() {
        let mut live = Live::default();
        live.fold(&entry(Kind::Fam, "f", None, 20));
        live.expire(20);
        assert!(live.fold(&entry(Kind::Fam, "f", Some(2), 40)));
        assert_eq!(live.entries(), [entry(Kind::Fam, "f", Some(2), 40)]);
        assert!(!live.fold(&entry(Kind::Fam, "f", None, 20)));
        assert_eq!(live.entries(), [entry(Kind::Fam, "f", Some(2), 40)]);
    }

    #[test]
    fn the_living_are_counted_and_the_dead_swept() {
        let mut live = Live::default();
        for n in 0..10_000 {
            live.fold(&entry(Kind::Jti, &format!("j{n}"), None, 100 + n / 1_000));
            live.fold(&entry(Kind::Client, &format!("c{n}"), Some(1), 100 + n / 1_000));
        }
        for second in 0..10 {
            live.expire(100 + second);
            let expected = usize::try_from(9 - second).unwrap() * 2_000;
            assert_eq!((live.len(), live.entries().len()), (expected, expected));
            assert!(live.jti.iter().count() <= expected / 2 + 1_000);
        }
        assert!(live.deaths.at.is_empty());
    }
}
