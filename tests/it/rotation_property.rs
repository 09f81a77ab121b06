//! Random histories of one family against the pure model (`model::rotation`): several tabs, lost and late replies,
//! duplicates, pauses, logouts, a thief. The database and the function agree on every verdict and every counter.

use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, RngSeed, TestRunner};
use signet::flow::Provider;
use signet::model::audit::{Event, Origin};
use signet::model::family::{EndCause, Family, FamilySecretId, FamilyStatus};
use signet::model::rotation::{ClassDefaults, Late, RotationPolicy, Standing, Verdict, apply, verdict};
use signet::oauth::client_metadata::{ClientClass, TheftResponse};
use signet::secret::{ClientId, RefreshToken};
use signet::storage::{RotateRequest, Rotated, Rotation};

use super::*;

/// Runs `cases` of a property; asynchronous work happens on the runtime that the test runs on.
fn check<S: Strategy>(cases: u32, strategy: S, property: impl AsyncFn(S::Value) -> Result<(), TestCaseError>) {
    // The same cases in every run; a longer run goes on where a shorter one ends.
    let config = Cases {
        cases,
        rng_seed: RngSeed::Fixed(0x5167_6e65_7400),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Cases::default()
    };
    let outcome = TestRunner::new(config).run(&strategy, |value| {
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(property(value)))
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

mod the_database_and_the_model {
    use super::*;

    /// A generation, seen from the row.
    #[derive(Clone, Copy, Debug)]
    enum Which {
        Current,
        Base,
        Back(u32),
        Ahead(u32),
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// These arrive at the same moment.
        Present(Vec<Which>),
        /// The current token from a client that it was not issued to.
        Stranger,
        /// Milliseconds.
        Wait(u64),
        /// Until the last rotation is so many milliseconds old.
        UntilAge(u64),
        EndSession,
        LogOutAll,
    }

    fn which() -> impl Strategy<Value = Which> {
        prop_oneof![
            8 => Just(Which::Current),
            3 => Just(Which::Base),
            4 => (1..4u32).prop_map(Which::Back),
            1 => (1..3u32).prop_map(Which::Ahead),
        ]
    }

    /// Every bound there is, and a moment on either side of it.
    fn bound() -> impl Strategy<Value = u64> {
        let bounds: [u64; 5] = [1_000, 30_000, 60_000, 15 * 60_000, 24 * 3_600_000];
        prop::sample::select(bounds.to_vec()).prop_flat_map(|bound| bound - 1..=bound + 1)
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => which().prop_map(|one| Step::Present(vec![one])),
            4 => prop::collection::vec(which(), 2..=3).prop_map(Step::Present),
            2 => (0..2_000u64).prop_map(Step::Wait),
            1 => Just(Step::Wait(8 * 24 * 3_600_000)),
            8 => bound().prop_map(Step::UntilAge),
            1 => Just(Step::Stranger),
            1 => Just(Step::EndSession),
            1 => Just(Step::LogOutAll),
        ]
    }

    fn policy() -> impl Strategy<Value = RotationPolicy> {
        let classes = prop::sample::select(vec![
            ClientClass::Spa,
            ClientClass::Cookie,
            ClientClass::Confidential,
            ClientClass::HighAssurance,
        ]);
        (classes, prop::sample::select(vec![0, 1, 8]), any::<bool>()).prop_map(|(class, burst, own)| {
            let policy = ClassDefaults::of(class).policy;
            if own { RotationPolicy { burst, ..policy } } else { policy }
        })
    }

    /// The family as the pure model sees it, beside the one in the database.
    struct World<'a> {
        op: &'a Provider,
        id: FamilySecretId,
        policy: RotationPolicy,
        family: Family,
        standing: Standing,
    }

    impl World<'_> {
        fn request(&self, generation: u32, client: &str) -> RotateRequest {
            RotateRequest {
                id: self.id,
                generation,
                client: ClientId::from(client),
                policy: self.policy,
                theft: TheftResponse::User,
                binding: None,
                origin: Origin::default(),
            }
        }

        fn generation(&self, which: Which) -> u32 {
            let counters = &self.family.counters;
            match which {
                Which::Current => counters.cur,
                Which::Base => counters.base,
                Which::Back(n) => counters.cur.saturating_sub(n),
                Which::Ahead(n) => counters.cur + n,
            }
        }

        /// What the model says to one presented generation, and the family after it.
        fn model(&self, family: &Family, generation: u32) -> (Verdict, Family) {
            let now = self.op.clock.now();
            let decision = verdict(family, &self.standing, generation, now, &self.policy);
            let mut after = family.clone();
            after.counters = apply(decision, &family.counters, generation, now, &self.policy);
            if let Some(status) = decision.ends_as() {
                after.status = status;
            }
            (decision, after)
        }

        /// Several at once are one after another, in some order (I8).
        async fn present(&mut self, generations: &[u32]) -> Result<(), TestCaseError> {
            let requests = generations.iter().map(|generation| {
                let (store, request) = (self.op.store.clone(), self.request(*generation, "app"));
                tokio::spawn(async move { decided(store.rotate(&request).await.unwrap()) })
            });
            let requests: Vec<_> = requests.collect();
            let mut answers = Vec::new();
            for request in requests {
                answers.push(request.await.unwrap());
            }
            let before = self.family.clone();
            let explained = orders(generations.len()).into_iter().find_map(|order| {
                let mut family = before.clone();
                for at in order {
                    let (decision, after) = self.model(&family, generations[at]);
                    let answer = &answers[at];
                    let seen = (answer.verdict, answer.family.counters, answer.family.status);
                    if seen != (decision, after.counters, after.status) {
                        return None;
                    }
                    family = after;
                }
                Some(family)
            });
            let Some(after) = explained else {
                let seen: Vec<_> = answers.iter().map(|one| (one.verdict, one.family.counters)).collect();
                return Err(TestCaseError::fail(format!(
                    "{:?} {:?}\npresented {generations:?}\nanswered {seen:?}",
                    before.counters, before.status
                )));
            };
            invariants(&before, &after, &answers)?;
            self.family = after;
            Ok(())
        }

        /// The row is what the model has.
        async fn compare(&self) -> Result<(), TestCaseError> {
            let generation = self.family.counters.cur;
            let row = decided(self.op.store.inspect(&self.request(generation, "app")).await.unwrap());
            prop_assert_eq!(row.family.counters, self.family.counters);
            prop_assert_eq!(row.family.status, self.family.status);
            prop_assert_eq!(row.verdict, self.model(&self.family, generation).0);
            Ok(())
        }

        async fn take(&mut self, step: &Step, s: &Server) -> Result<(), TestCaseError> {
            let now = self.op.clock.now();
            match step {
                Step::Present(which) => {
                    let generations: Vec<_> = which.iter().map(|one| self.generation(*one)).collect();
                    self.present(&generations).await?;
                    if self.family.status == FamilyStatus::Compromised {
                        self.standing.user_epoch = self.family.epoch + 1;
                    }
                }
                Step::Stranger => {
                    let request = self.request(self.family.counters.cur, "other");
                    let answer = decided(self.op.store.rotate(&request).await.unwrap());
                    let standing = Standing { client_matches: false, ..self.standing };
                    let counters = self.family.counters;
                    let expected = verdict(&self.family, &standing, counters.cur, now, &self.policy);
                    prop_assert_eq!((answer.verdict, answer.family.counters), (expected, counters));
                }
                Step::Wait(millis) => s.advance(Duration::from_millis(*millis)),
                Step::UntilAge(millis) => {
                    let then = self.family.counters.rotated_at.plus(Duration::from_millis(*millis));
                    s.advance(then.since(now));
                }
                Step::EndSession => {
                    let entry = self.op.audit(Event::SessionEnded, "cli", now).unwrap();
                    let session = self.family.session.unwrap();
                    self.op.store.end_session(session, EndCause::Logout, now, entry).await.unwrap();
                    self.standing.session_ended = true;
                    if !self.family.offline {
                        self.end(EndCause::Logout);
                    }
                }
                Step::LogOutAll => {
                    let entry = self.op.audit(Event::LogoutAll, "cli", now).unwrap();
                    self.op.store.log_out_all(self.family.user, now, entry).await.unwrap();
                    self.standing.user_epoch += 1;
                    self.standing.session_ended = true;
                    if self.family.expires_at > now {
                        self.end(EndCause::LogoutAll);
                    }
                }
            }
            self.compare().await
        }

        fn end(&mut self, cause: EndCause) {
            if self.family.status == FamilyStatus::Active {
                self.family.status = FamilyStatus::Ended(cause);
            }
        }
    }

    fn decided(rotation: Rotation) -> Rotated {
        match rotation {
            Rotation::Decided(rotated) => *rotated,
            Rotation::Unknown => panic!("the family is gone"),
        }
    }

    /// Every order of so many requests; at most three.
    fn orders(count: usize) -> Vec<Vec<usize>> {
        match count {
            1 => vec![vec![0]],
            2 => vec![vec![0, 1], vec![1, 0]],
            _ => [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]].map(Vec::from).to_vec(),
        }
    }

    /// I1 and I4, whatever the model says.
    fn invariants(before: &Family, after: &Family, answers: &[Rotated]) -> Result<(), TestCaseError> {
        let (old, new) = (before.counters, after.counters);
        prop_assert!(new.base <= new.cur && old.base <= new.base && old.cur <= new.cur);
        prop_assert_eq!(before.expires_at, after.expires_at);
        let moved = answers.iter().any(|one| one.verdict.moves_counters());
        prop_assert_eq!(moved, old != new);
        for answer in answers {
            prop_assert_eq!(answer.family.expires_at, before.expires_at);
        }
        Ok(())
    }

    #[test]
    fn agree_on_every_verdict_and_counter() {
        with_server(async |s| {
            let steps = prop::collection::vec(step(), 1..24);
            check(effort(40, 2_000), (policy(), any::<bool>(), steps), async |(policy, offline, steps)| {
                let scope = if offline { "openid offline_access read" } else { "openid read" };
                let tokens = s.tokens_of(&mut Browser::new(s), "app", scope).await;
                let token = RefreshToken::new(tokens.refresh());
                let (id, _) = s.op.secrets.refresh_tokens.decode(&token).unwrap();
                let mut world = World { op: &s.op, id, policy, family: begin(s, id, policy).await, standing: GOOD };
                world.standing.user_epoch = world.family.epoch;
                for step in &steps {
                    world.take(step, s).await?;
                }
                Ok(())
            });
        });
    }

    const GOOD: Standing = Standing {
        user_epoch: 0,
        user_active: true,
        client_active: true,
        session_ended: false,
        client_matches: true,
        binding_matches: true,
    };

    async fn begin(s: &Server, id: FamilySecretId, policy: RotationPolicy) -> Family {
        let request = RotateRequest {
            id,
            generation: 0,
            client: ClientId::from("app"),
            policy,
            theft: TheftResponse::User,
            binding: None,
            origin: Origin::default(),
        };
        decided(s.op.store.inspect(&request).await.unwrap()).family
    }

    #[test]
    fn strict_and_displacing_policies_are_both_tried() {
        assert_eq!(ClassDefaults::of(ClientClass::HighAssurance).policy.late, Late::Strict);
        assert_ne!(ClassDefaults::of(ClientClass::Spa).policy.late, Late::Strict);
    }
}

mod honest_clients {
    use super::*;

    /// What one tab does with the token that all tabs share.
    #[derive(Clone, Copy, Debug)]
    enum Act {
        Refresh,
        /// The server decides, and the answer is lost.
        LoseReply,
        /// So many tabs at the same moment.
        Tabs(u8),
        /// A proxy delivers the request once more.
        Duplicate,
        /// The answer arrives after whatever comes next.
        LateReply,
        /// The request arrives after another tab's refresh.
        LateRequest,
    }

    /// Longest delay of a request, and of a reply, in seconds.
    const DELAY: u64 = 10;

    fn act() -> impl Strategy<Value = (u64, Act)> {
        let pause = prop::sample::select(vec![0, 0, 1, 5, 10, 29, 31, 59, 61, 120, 3_600, 5 * 3_600]);
        let act = prop::sample::select(vec![
            Act::Refresh,
            Act::LoseReply,
            Act::LoseReply,
            Act::Tabs(2),
            Act::Tabs(5),
            Act::Duplicate,
            Act::LateReply,
            Act::LateRequest,
        ]);
        (pause, act)
    }

    struct Tabs<'a> {
        s: &'a Server,
        token: String,
        /// A reply on its way.
        late: Option<String>,
    }

    impl Tabs<'_> {
        /// Presents a token; the new one, if any came. I2: an honest client is never refused.
        async fn present(&self, token: &str) -> Result<Option<String>, TestCaseError> {
            let answer = self.s.refresh("app", token).await;
            prop_assert_eq!(answer.status, 200, "{}", answer.text());
            Ok(Tokens::of(&answer).refresh)
        }

        fn store(&mut self, token: Option<String>) {
            if let Some(token) = token {
                self.token = token;
            }
        }

        async fn act(&mut self, pause: u64, act: Act) -> Result<(), TestCaseError> {
            if pause > DELAY {
                let late = self.late.take();
                self.store(late);
            }
            self.s.advance(Duration::from_secs(pause));
            let late = self.late.take();
            let token = self.token.clone();
            match act {
                Act::Refresh => {
                    let new = self.present(&token).await?;
                    self.store(new);
                }
                Act::LoseReply => {
                    self.present(&token).await?;
                }
                Act::Tabs(count) => {
                    let racers = (0..count).map(|_| {
                        let params = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
                        self.s.auth("app").on(self.s.post("/token"), &params)
                    });
                    for answer in in_parallel(racers.collect()).await {
                        prop_assert_eq!(answer.status, 200, "{}", answer.text());
                        self.store(Tokens::of(&answer).refresh);
                    }
                }
                Act::Duplicate => {
                    let first = self.present(&token).await?;
                    self.present(&token).await?;
                    self.store(first);
                }
                Act::LateReply => self.late = self.present(&token).await?,
                Act::LateRequest => {
                    let other = self.present(&token).await?;
                    self.store(other);
                    self.s.advance(Duration::from_secs(DELAY));
                    let own = self.present(&token).await?;
                    self.store(own);
                }
            }
            self.store(late);
            Ok(())
        }
    }

    #[test]
    fn are_never_refused() {
        with_server(async |s| {
            let acts = prop::collection::vec(act(), 1..20);
            check(effort(25, 1_000), acts, async |acts| {
                let tokens = s.tokens("app").await;
                let mut tabs = Tabs { s, token: tokens.refresh().to_owned(), late: None };
                for (pause, act) in acts {
                    tabs.act(pause, act).await?;
                }
                Ok(())
            });
            let thefts = s.op.store.verdicts().find(|(name, _)| *name == "theft").unwrap().1;
            assert_eq!(thefts, 0);
        });
    }
}

mod a_thief {
    use super::*;

    /// I5: with one stolen copy and uses more than H apart, owner and thief switch at most twice.
    #[test]
    fn is_found_out_at_the_second_switch_at_the_latest() {
        with_server(async |s| {
            let turns = prop::collection::vec((any::<bool>(), 61..4_000u64), 8..16);
            check(effort(20, 500), (0..3usize, turns), async |(before, turns)| {
                let mut browser = Browser::new(s);
                let first = s.tokens_of(&mut browser, "app", "openid offline_access read").await;
                let mut owner = first.refresh().to_owned();
                for _ in 0..before {
                    s.advance(2 * MINUTE);
                    owner = Tokens::of(&s.refresh("app", &owner).await).refresh().to_owned();
                }
                let mut holders = [owner.clone(), owner];
                let (mut switches, mut last, mut dead) = (0, None, false);
                for (thief, pause) in turns {
                    s.advance(Duration::from_secs(pause));
                    let holder = usize::from(thief);
                    let answer = s.refresh("app", &holders[holder]).await;
                    if answer.status != 200 {
                        answer.refused(400, "invalid_grant");
                        dead = true;
                        continue;
                    }
                    prop_assert!(!dead, "a dead family came back");
                    switches += u32::from(last.is_some_and(|last| last != holder));
                    prop_assert!(switches <= 1, "both are served after the second switch");
                    last = Some(holder);
                    if let Some(new) = Tokens::of(&answer).refresh {
                        holders[holder] = new;
                    }
                }
                if dead {
                    // The default response: everything of the user ends.
                    prop_assert!(!browser.is_signed_in().await);
                }
                Ok(())
            });
        });
    }
}
