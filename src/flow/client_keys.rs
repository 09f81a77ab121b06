//! The public keys of clients: by value, or fetched from where the client publishes them.
//!
//! A fetched set serves as long as its answer says, within bounds; a key that is not in it is looked for again, but not
//! oftener than is good for both; and where a fetch fails, the former set serves on (OpenID Connect Core §10.1.1). What
//! could not be asked for says nothing of the client, and is no refusal.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signet_verify::jose::jws::Rejected;

use super::Provider;
use super::claimant::{Claimant, Unverified};
use crate::clock::Timestamp;
use crate::fetch::{Behalf, FetchError, Fetched};
use crate::jose::verification_keys::VerificationKeys;
use crate::model::client::Client;
use crate::secret::ClientId;

/// How long a set serves whose answer does not say.
const FRESH: Duration = Duration::from_secs(5 * 60);
/// At least so long, whatever the answer says.
const SHORTEST: Duration = Duration::from_secs(30);
/// And at most so long: a key that the client has removed dies with it.
const LONGEST: Duration = Duration::from_secs(3600);
/// How long a set serves where the client's server does not answer.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// And how long where it answers that there is none (404, 410): that is no outage, and may be a slip.
const GONE: Duration = Duration::from_secs(3600);
/// A client's server is asked no oftener, whatever comes in in its name.
const PAUSE: Duration = Duration::from_secs(10);
/// The sets of at most so many clients are kept.
const MOST: usize = 1000;

/// The keys known so far.
#[derive(Debug, Default)]
pub struct ClientKeys {
    slots: Mutex<HashMap<ClientId, Arc<Slot>>>,
}

/// The keys of one client.
#[derive(Debug)]
struct Slot {
    source: Source,
    /// In milliseconds; who has not been asked for longest goes first.
    used_at: AtomicI64,
    /// Held by the one that fetches.
    turn: tokio::sync::Mutex<()>,
    kept: Mutex<Kept>,
}

/// Where keys are from; those of another source are others.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    /// The client as of then.
    Value(Timestamp),
    /// A URL.
    Reference(String),
}

#[derive(Debug, Default)]
struct Kept {
    keys: Option<Arc<VerificationKeys>>,
    fetched_at: Timestamp,
    fresh_until: Timestamp,
    asked_at: Option<Timestamp>,
    /// Since when it has been answered that there is none.
    gone_at: Option<Timestamp>,
    /// Whether nothing was answered the last time.
    silent: bool,
}

type Found = Result<Arc<VerificationKeys>, Unverified>;

/// Why no set was had.
#[derive(Debug)]
enum Missed {
    Fetch(FetchError),
    NoSet(String),
}

/// What somebody needs of the keys.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    /// The key of this name, or any if there is none.
    Key(Option<&'a str>),
    /// Others than these, which do not verify.
    Others(&'a Arc<VerificationKeys>),
}

/// What to do.
#[derive(Debug)]
enum Next {
    Use(Arc<VerificationKeys>),
    Ask,
    /// There is nothing, and it is too early to ask again.
    GiveUp,
}

impl ClientKeys {
    /// The keys to verify what a client has signed: one whose name is unknown is looked for where the client publishes its
    /// keys, as often as is good for both.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn of(&self, op: &Provider, claimant: Claimant<'_>, now: Timestamp) -> Found {
        let client = claimant.client;
        match (&client.metadata.jwks, &client.metadata.jwks_uri) {
            (Some(jwks), _) => self.by_value(client, jwks, now),
            (None, Some(uri)) => self.by_reference(op, (claimant, uri), Wanted::Key(claimant.kid), now).await,
            (None, None) => Err(Unverified::Refused("the client has no keys")),
        }
    }

    /// Verifies what a client has signed, by what `verify` says of a key set. Where no key fits, those that the client
    /// publishes by now get one more try: it may have replaced one under the same name, or name none.
    ///
    /// # Errors
    /// Why nothing has verified.
    pub async fn verify<T>(
        &self,
        op: &Provider,
        claimant: Claimant<'_>,
        now: Timestamp,
        verify: impl Fn(&VerificationKeys) -> Result<T, Rejected>,
    ) -> Result<T, Unverified> {
        let keys = self.of(op, claimant, now).await?;
        let rejected = match verify(&keys) {
            Ok(verified) => return Ok(verified),
            Err(rejected) => rejected,
        };
        if !may_be_another_key(rejected) {
            return Err(rejected.into());
        }
        match self.others(op, claimant, &keys, now).await {
            Some(others) => verify(&others).map_err(Unverified::from),
            None => Err(rejected.into()),
        }
    }

    /// Others than the keys `tried`, under which a signature that names none has failed: those that the client
    /// publishes by now. `None` where there are none, or it is too early to ask.
    pub async fn others(
        &self,
        op: &Provider,
        claimant: Claimant<'_>,
        tried: &Arc<VerificationKeys>,
        now: Timestamp,
    ) -> Option<Arc<VerificationKeys>> {
        let uri = claimant.client.metadata.jwks_uri.as_ref()?;
        let found = self.by_reference(op, (claimant, uri), Wanted::Others(tried), now).await.ok()?;
        (!Arc::ptr_eq(&found, tried)).then_some(found)
    }

    fn by_value(&self, client: &Client, jwks: &serde_json::Value, now: Timestamp) -> Found {
        let slot = self.slot(&client.id, Source::Value(client.updated_at), now);
        let mut kept = slot.kept();
        if let Some(keys) = &kept.keys {
            return Ok(Arc::clone(keys));
        }
        let keys = VerificationKeys::from_jwks(jwks.to_string().as_bytes());
        let keys = Arc::new(keys.map_err(|_| Unverified::Refused("the client's keys cannot be used"))?);
        kept.keys = Some(Arc::clone(&keys));
        Ok(keys)
    }

    async fn by_reference(
        &self,
        op: &Provider,
        (claimant, uri): (Claimant<'_>, &String),
        wanted: Wanted<'_>,
        now: Timestamp,
    ) -> Found {
        let slot = self.slot(&claimant.client.id, Source::Reference(uri.clone()), now);
        if let Some(answer) = slot.answer(wanted, now) {
            return answer;
        }
        // One fetch ends in half of that. Where several before this have come to nothing for want of a place, so would it.
        let turn = tokio::time::timeout(op.fetch.timeout() * 2, slot.turn.lock()).await;
        let Ok(_turn) = turn else { return slot.kept().usable(now, true) };
        // Whoever has waited finds what the one before has brought.
        if let Some(answer) = slot.answer(wanted, now) {
            return answer;
        }
        let missed = match fetch(op, uri, claimant.behalf).await {
            Ok((keys, fetched)) => {
                slot.kept().put(keys, fetched.max_age, now);
                None
            }
            Err(missed) => {
                tracing::warn!(client = claimant.client.id.0, problem = %missed, "the keys of a client cannot be had");
                slot.kept().miss(&missed, now);
                Some(missed)
            }
        };
        let unasked = missed.is_some_and(|missed| missed.says_nothing());
        slot.kept().usable(now, unasked)
    }

    fn slot(&self, client: &ClientId, source: Source, now: Timestamp) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(client).filter(|slot| slot.source == source) {
            slot.used_at.store(now.millis(), Ordering::Relaxed);
            return Arc::clone(slot);
        }
        if slots.len() >= MOST {
            let oldest = slots.iter().min_by_key(|(_, slot)| slot.used_at.load(Ordering::Relaxed));
            if let Some(oldest) = oldest.map(|(client, _)| client.clone()) {
                slots.remove(&oldest);
            }
        }
        let slot = Arc::new(Slot {
            source,
            used_at: AtomicI64::new(now.millis()),
            turn: tokio::sync::Mutex::default(),
            kept: Mutex::default(),
        });
        slots.insert(client.clone(), Arc::clone(&slot));
        slot
    }
}

impl Slot {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` where the client's server is to be asked.
    fn answer(&self, wanted: Wanted<'_>, now: Timestamp) -> Option<Found> {
        let kept = self.kept();
        match kept.next(wanted, now) {
            Next::Use(keys) => Some(Ok(keys)),
            Next::Ask => None,
            Next::GiveUp => Some(kept.usable(now, kept.silent)),
        }
    }
}

impl Kept {
    fn next(&self, wanted: Wanted<'_>, now: Timestamp) -> Next {
        let usable = self.served(now);
        let may_ask = self.asked_at.is_none_or(|at| now.since(at) >= PAUSE);
        match usable {
            Some(keys) if !may_ask || (now < self.fresh_until && wanted.is_met(keys)) => {
                Next::Use(Arc::clone(keys))
            }
            _ if may_ask => Next::Ask,
            _ => Next::GiveUp,
        }
    }

    fn put(&mut self, keys: VerificationKeys, max_age: Option<Duration>, now: Timestamp) {
        let fresh = max_age.unwrap_or(FRESH).clamp(SHORTEST, LONGEST);
        *self = Self {
            keys: Some(Arc::new(keys)),
            fetched_at: now,
            fresh_until: now.plus(fresh),
            asked_at: Some(now),
            gone_at: None,
            silent: false,
        };
    }

    /// Remembers that no set was had. Where nobody was asked, the next one may ask at once.
    fn miss(&mut self, missed: &Missed, now: Timestamp) {
        if matches!(missed, Missed::Fetch(FetchError::Busy)) {
            return;
        }
        self.asked_at = Some(now);
        self.silent = missed.says_nothing();
        if matches!(missed, Missed::Fetch(FetchError::Status(404 | 410))) {
            self.gone_at.get_or_insert(now);
        }
    }

    /// The set that serves still, fresh or not.
    fn served(&self, now: Timestamp) -> Option<&Arc<VerificationKeys>> {
        let gone = self.gone_at.is_some_and(|at| now.since(at) >= GONE);
        self.keys.as_ref().filter(|_| !gone && now.since(self.fetched_at) < STALE)
    }

    /// The same, where there is none to be had; `unasked` where that says nothing of the client.
    fn usable(&self, now: Timestamp, unasked: bool) -> Found {
        let why = "the client's keys could not be fetched";
        let none = if unasked { Unverified::Unasked(why) } else { Unverified::Refused(why) };
        self.served(now).map(Arc::clone).ok_or(none)
    }
}

impl std::fmt::Display for Missed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fetch(error) => error.fmt(f),
            Self::NoSet(why) => f.write_str(why),
        }
    }
}

impl Missed {
    const fn says_nothing(&self) -> bool {
        matches!(self, Self::Fetch(error) if error.says_nothing())
    }
}

impl Wanted<'_> {
    fn is_met(self, keys: &Arc<VerificationKeys>) -> bool {
        match self {
            Self::Key(kid) => kid.is_none_or(|kid| keys.has(kid)),
            Self::Others(tried) => !Arc::ptr_eq(keys, tried),
        }
    }
}

/// Whether another key than those tried could do.
const fn may_be_another_key(rejected: Rejected) -> bool {
    matches!(
        rejected,
        Rejected::KidMissing
            | Rejected::KidUnknown
            | Rejected::Algorithm
            | Rejected::SignatureForm
            | Rejected::Signature
    )
}

/// Fetches a key set. Its media type is not asked for: many servers say of a JWKS that it is text.
async fn fetch(op: &Provider, uri: &str, behalf: &Behalf) -> Result<(VerificationKeys, Fetched), Missed> {
    let fetched = op.fetch.get(uri, "application/jwk-set+json, application/json", behalf).await;
    let fetched = fetched.map_err(Missed::Fetch)?;
    let keys =
        VerificationKeys::from_jwks(&fetched.body).map_err(|error| Missed::NoSet(error.to_string()))?;
    Ok((keys, fetched))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_767_225_600);
    const SECOND: Duration = Duration::from_secs(1);

    fn set(kid: &str) -> VerificationKeys {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let jwks =
            format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":"{kid}","x":"{x}"}}]}}"#);
        VerificationKeys::from_jwks(jwks.as_bytes()).unwrap()
    }

    fn kept(max_age: Option<Duration>) -> Kept {
        let mut kept = Kept::default();
        kept.put(set("a"), max_age, START);
        kept
    }

    fn word(kept: &Kept, kid: Option<&str>, after: Duration) -> &'static str {
        match kept.next(Wanted::Key(kid), START.plus(after)) {
            Next::Use(_) => "use",
            Next::Ask => "ask",
            Next::GiveUp => "give up",
        }
    }

    #[test]
    fn a_set_serves_as_long_as_its_answer_says_within_bounds() {
        for (max_age, serves) in
            [(None, 300), (Some(0), 30), (Some(29), 30), (Some(600), 600), (Some(86_400), 3600)]
        {
            let kept = kept(max_age.map(Duration::from_secs));
            let serves = Duration::from_secs(serves);
            assert_eq!(word(&kept, Some("a"), serves - Duration::from_millis(1)), "use", "{max_age:?}");
            assert_eq!(word(&kept, Some("a"), serves), "ask", "{max_age:?}");
            assert_eq!(word(&kept, None, serves - SECOND), "use", "{max_age:?}");
        }
    }

    #[test]
    fn an_unknown_key_is_looked_for_but_not_oftener_than_every_ten_seconds() {
        let kept = kept(None);
        assert_eq!(word(&kept, Some("b"), 9 * SECOND), "use");
        assert_eq!(word(&kept, Some("b"), 10 * SECOND), "ask");
        assert_eq!(word(&kept, Some("a"), 10 * SECOND), "use");
    }

    #[test]
    fn other_keys_than_those_tried_are_looked_for() {
        let kept = kept(None);
        let tried = Arc::clone(kept.keys.as_ref().unwrap());
        assert!(matches!(kept.next(Wanted::Others(&tried), START.plus(9 * SECOND)), Next::Use(_)));
        assert!(matches!(kept.next(Wanted::Others(&tried), START.plus(10 * SECOND)), Next::Ask));
        let former = Arc::new(set("a"));
        assert!(matches!(kept.next(Wanted::Others(&former), START.plus(10 * SECOND)), Next::Use(_)));
    }

    #[test]
    fn where_a_fetch_fails_the_former_set_serves_for_a_day() {
        let mut kept = kept(None);
        let day = 24 * 3600 * SECOND;
        kept.asked_at = Some(START.plus(day - 10 * SECOND));
        assert_eq!(word(&kept, Some("a"), day - SECOND), "use");
        assert_eq!(word(&kept, Some("a"), day), "ask");
        kept.asked_at = Some(START.plus(day));
        assert_eq!(word(&kept, Some("a"), day), "give up");
        assert_eq!(word(&kept, Some("a"), day + 10 * SECOND), "ask");
    }

    #[test]
    fn a_failure_without_a_former_set_is_not_repeated_for_ten_seconds() {
        let mut kept = Kept::default();
        assert_eq!(word(&kept, None, SECOND), "ask");
        kept.asked_at = Some(START);
        assert_eq!(word(&kept, None, 9 * SECOND), "give up");
        assert_eq!(word(&kept, None, 10 * SECOND), "ask");
    }

    #[test]
    fn where_it_is_answered_that_there_is_none_the_former_set_serves_for_an_hour() {
        let mut kept = kept(None);
        let gone = START.plus(300 * SECOND);
        kept.miss(&Missed::Fetch(FetchError::Status(404)), gone);
        kept.miss(&Missed::Fetch(FetchError::Status(410)), gone.plus(3000 * SECOND));
        assert_eq!(word(&kept, Some("a"), 3899 * SECOND), "ask");
        assert!(kept.usable(START.plus(3899 * SECOND), false).is_ok());
        assert_eq!(word(&kept, Some("a"), 3900 * SECOND), "ask");
        assert!(kept.usable(START.plus(3900 * SECOND), false).is_err());
        kept.put(set("a"), None, gone);
        kept.miss(&Missed::Fetch(FetchError::Status(500)), gone);
        assert!(kept.usable(START.plus(3900 * SECOND), false).is_ok());
    }

    #[test]
    fn who_was_not_asked_may_be_asked_at_once() {
        let mut kept = Kept::default();
        kept.miss(&Missed::Fetch(FetchError::Busy), START);
        assert_eq!(word(&kept, None, Duration::ZERO), "ask");
        for (error, silent) in [(FetchError::Timeout, true), (FetchError::Status(500), false)] {
            kept.miss(&Missed::Fetch(error), START);
            assert_eq!((word(&kept, None, SECOND), kept.silent), ("give up", silent));
        }
    }

    #[test]
    fn the_sets_of_a_thousand_clients_are_kept_and_the_longest_unused_go_first() {
        let keys = ClientKeys::default();
        let slot = |name: &str, after: Duration| {
            keys.slot(&ClientId::from(name), Source::Reference(name.to_owned()), START.plus(after))
        };
        let first = slot("first", SECOND);
        for number in 0..MOST {
            slot(&number.to_string(), 2 * SECOND);
            slot("first", 3 * SECOND);
        }
        assert!(Arc::ptr_eq(&first, &slot("first", 4 * SECOND)));
        assert_eq!(keys.slots.lock().unwrap().len(), MOST);
    }

    #[test]
    fn keys_of_another_source_are_others() {
        let keys = ClientKeys::default();
        let slot = |source| keys.slot(&ClientId::from("a"), source, START);
        let first = slot(Source::Value(START));
        assert!(Arc::ptr_eq(&first, &slot(Source::Value(START))));
        let second = slot(Source::Value(START.plus(SECOND)));
        assert!(!Arc::ptr_eq(&first, &second));
        let third = slot(Source::Reference("https://rp.example.com/keys".to_owned()));
        assert!(!Arc::ptr_eq(&second, &third));
        assert!(!Arc::ptr_eq(&third, &slot(Source::Reference("https://rp.example.com/others".to_owned()))));
    }
}
