//! Intents on a SQLite file of their own: what the black-box tests cannot bring about.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::{ManualClock, Timestamp};
use crate::entropy::SystemEntropy;
use crate::model::audit::{AuditEntry, Event, Origin};
use crate::model::client::Client;
use crate::model::family::{EndCause, FamilySecretId};
use crate::model::grant::Grant;
use crate::model::rotation::{ClassDefaults, Counters, Verdict};
use crate::model::user::NewUser;
use crate::oauth::client_metadata::{ClientClass, ClientMetadata, TheftResponse};
use crate::oauth::registration::Registered;
use crate::oauth::scope::Scope;
use crate::secret::{
    AuthorizationCode, ClientId, CodeHash, DeviceCookie, DeviceHash, FamilyHandle, SessionCookie,
    SessionHash, SessionId, UserId,
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

struct World {
    store: Store,
    clock: Arc<ManualClock>,
    entropy: Arc<dyn Entropy>,
    _folder: tempfile::TempDir,
}

/// A family, as its client and its user's browser hold it.
struct Family {
    id: FamilySecretId,
    cookie: SessionHash,
    session: SessionId,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_800_000_000)));
        let options = Options {
            url: format!("sqlite://{}/test.sqlite", folder.path().display()),
            max_connections: 2,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(5),
            access_token_life: Duration::from_secs(900),
        };
        let store = Store::open(&options, clock.clone(), Arc::new(SystemEntropy::new())).await.unwrap();
        store.migrate().await.unwrap();
        let world = Self { store, clock, entropy: Arc::new(SystemEntropy::new()), _folder: folder };
        world.store.installation("check", world.now()).await.unwrap();
        world.client("app").await;
        world
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn entry(&self) -> AuditEntry {
        self.store.audit_entry(Event::LoginSucceeded, "test", self.now()).unwrap()
    }

    async fn client(&self, id: &str) -> ClientId {
        let id = ClientId::from(id);
        let client = Client {
            id: id.clone(),
            metadata: ClientMetadata::default(),
            secret: None,
            previous_secret: None,
            sealed_secret: None,
            registered: Registered::Operator,
            registration_token: None,
            fetched_until: None,
            disabled_at: None,
            created_at: self.now(),
            updated_at: self.now(),
        };
        self.store.create_client(&client, &self.entry()).await.unwrap();
        id
    }

    async fn user(&self, name: &str) -> UserId {
        let id = UserId(self.entropy.uuid_v7(self.now()).unwrap());
        let user = NewUser {
            id,
            username: name.to_owned(),
            email: None,
            email_verified: false,
            password_phc: None,
            roles: Vec::new(),
            claims: serde_json::Map::new(),
        };
        self.store.create_user(&user, self.now(), &self.entry()).await.unwrap();
        id
    }

    async fn sign_in(&self, user: UserId, replaces: Option<&SessionHash>) -> (SessionId, SessionHash) {
        let cookie = SessionHash::from(&SessionCookie::new(self.entropy.secret("").unwrap()));
        let device = DeviceHash::from(&DeviceCookie::new("device"));
        let new = NewSession {
            id: SessionId(self.entropy.uuid_v7(self.now()).unwrap()),
            cookie: cookie.clone(),
            user,
            epoch: self.store.user(user).await.unwrap().unwrap().epoch,
            life: Life { idle: HOUR, expires_at: self.now().plus(DAY) },
            remembered: None,
            remember: false,
            limit: None,
            amr: vec!["pwd".to_owned()],
            replaces: replaces.cloned(),
            interaction: None,
            device: (device, self.now().plus(DAY)),
        };
        match self.store.sign_in(&new, self.now(), self.entry().user(user)).await.unwrap() {
            SignIn::Begun(id) => (id, cookie),
            other => panic!("{other:?}"),
        }
    }

    async fn grant(&self, user: UserId, session: SessionId) -> (CodeHash, Grant) {
        let code = CodeHash::from(&AuthorizationCode::new(self.entropy.secret("sac_").unwrap()));
        let grant = Grant {
            handle: FamilyHandle(self.entropy.uuid_v7(self.now()).unwrap()),
            client: ClientId::from("app"),
            user,
            subject: None,
            claims_request: None,
            session,
            epoch: self.store.user(user).await.unwrap().unwrap().epoch,
            by_consent: false,
            redirect_uri: "https://app.example/cb".to_owned(),
            code_challenge: None,
            nonce: None,
            scope: Scope::parse("openid").unwrap(),
            audience: Vec::new(),
            auth_time: self.now(),
            amr: Vec::new(),
            expires_at: self.now().plus(Duration::from_secs(60)),
        };
        (code, grant)
    }

    async fn family(&self, user: UserId) -> Family {
        let (session, cookie) = self.sign_in(user, None).await;
        let (code, grant) = self.grant(user, session).await;
        assert!(self.store.create_code(&code, &grant, None, self.now()).await.unwrap());
        let id = FamilySecretId::generate(self.entropy.as_ref()).unwrap();
        let redeem = RedeemRequest {
            resources: Vec::new(),
            open: None,
            code,
            client: ClientId::from("app"),
            redirect_uri: grant.redirect_uri,
            code_challenge: None,
            family: NewFamily {
                id,
                class: ClientClass::Spa,
                counters: Counters::begin(self.now(), &ClassDefaults::of(ClientClass::Spa).policy),
                expires_at: self.now().plus(DAY * 7),
                idle: DAY,
            },
            origin: Origin::default(),
        };
        let redeemed = self.store.redeem_code(&redeem, self.now()).await.unwrap();
        assert!(matches!(redeemed, Redemption::Redeemed(_)), "{redeemed:?}");
        Family { id, cookie, session }
    }

    async fn refresh(&self, family: &Family, generation: u32) -> Verdict {
        let request = RotateRequest {
            id: family.id,
            generation,
            client: ClientId::from("app"),
            policy: ClassDefaults::of(ClientClass::Spa).policy,
            theft: TheftResponse::User,
            binding: None,
            origin: Origin::default(),
        };
        match self.store.rotate(&request).await.unwrap() {
            Rotation::Decided(rotated) => rotated.verdict,
            Rotation::Unknown => panic!("the family is gone"),
        }
    }
}

#[tokio::test]
async fn signing_in_again_after_the_session_has_expired_ends_no_family() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    let family = world.family(alice).await;
    world.clock.advance(HOUR * 2);
    let (session, _) = world.sign_in(alice, Some(&family.cookie)).await;
    assert_ne!(session, family.session, "an expired session is not renewed");
    assert_eq!(world.refresh(&family, 0).await, Verdict::Advance);
}

#[tokio::test]
async fn another_users_sign_in_ends_the_session_in_that_browser_and_says_so() {
    let world = World::new().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let family = world.family(alice).await;
    world.sign_in(bob, Some(&family.cookie)).await;
    assert!(matches!(world.refresh(&family, 0).await, Verdict::Deny(_)));
    let history = AuditQuery {
        user: Some(alice),
        client: None,
        event: Some(Event::SessionEnded),
        since: None,
        until: None,
        before: None,
        limit: 10,
    };
    let entries = world.store.audit(history).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].cause.as_deref(), Some(EndCause::Superseded.as_str()));
    assert_eq!(entries[0].session, Some(family.session));
}

#[tokio::test]
async fn a_password_change_keeps_a_live_session_and_brings_no_dead_one_back() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    let (kept, dead) = (world.family(alice).await, world.family(alice).await);
    let end = world.store.end_session(dead.session, EndCause::Logout, world.now(), world.entry()).await;
    assert!(end.unwrap().is_some());
    world.store.set_password(alice, "phc", Some(kept.session), world.entry()).await.unwrap();
    assert_eq!(world.refresh(&kept, 0).await, Verdict::Advance);
    assert!(matches!(world.refresh(&dead, 0).await, Verdict::Deny(_)));
    // As though session and family had been made while "log out all devices" was under way.
    let raise = db::Sql::both("UPDATE users SET epoch = epoch + 1");
    world.store.db.write(&raise, Vec::new()).await.unwrap();
    world.store.set_password(alice, "phc", Some(kept.session), world.entry()).await.unwrap();
    assert!(matches!(world.refresh(&kept, 1).await, Verdict::Deny(_)), "it was void before");
}

#[tokio::test]
async fn no_code_is_made_after_the_consent_it_rests_on_was_withdrawn() {
    let world = World::new().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let (session, _) = world.sign_in(alice, None).await;
    let made = async |by_consent: bool| {
        let (code, grant) = world.grant(alice, session).await;
        world.store.create_code(&code, &Grant { by_consent, ..grant }, None, world.now()).await.unwrap()
    };
    let (app, scope) = (ClientId::from("app"), Scope::parse("openid").unwrap());
    world.store.remember_consent(bob, &app, &scope, &world.entry()).await.unwrap();
    assert!(!made(true).await, "it is another's");
    world.store.remember_consent(alice, &app, &scope, &world.entry()).await.unwrap();
    assert!(made(true).await);
    world.store.withdraw_consent(alice, &app, world.entry()).await.unwrap();
    assert!(!made(true).await);
    assert!(made(false).await, "one of ours needs none");
}

#[tokio::test]
async fn a_sweep_takes_only_the_expired_of_a_shared_browser() {
    let world = World::new().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    world.sign_in(alice, None).await;
    world.clock.advance(HOUR * 12);
    world.sign_in(bob, None).await;
    world.clock.advance(HOUR * 14);
    let swept = world.store.sweep(&mut SweepCursor::default(), 100, DAY * 365, world.now()).await.unwrap();
    assert!(swept.other >= 1, "{swept:?}");
    let device = DeviceHash::from(&DeviceCookie::new("device"));
    assert!(world.store.is_known_device(&device, bob, world.now().minus(HOUR * 3)).await.unwrap());
    assert!(!world.store.is_known_device(&device, alice, world.now().minus(HOUR * 3)).await.unwrap());
}

#[tokio::test]
async fn a_family_that_comes_from_elsewhere_is_noted_once_and_is_there_from_then_on() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    let family = world.family(alice).await;
    let at = |address: &str| Origin { address: Some(address.to_owned()), ..Origin::default() };
    let (home, abroad) = (at("203.0.113.9"), at("198.51.100.7"));
    let rotated = async |generation: u32| {
        let request = RotateRequest {
            id: family.id,
            generation,
            client: ClientId::from("app"),
            policy: ClassDefaults::of(ClientClass::Spa).policy,
            theft: TheftResponse::User,
            binding: None,
            origin: Origin::default(),
        };
        match world.store.rotate(&request).await.unwrap() {
            Rotation::Decided(rotated) => rotated,
            Rotation::Unknown => panic!("the family is gone"),
        }
    };
    let first = rotated(0).await;
    assert_eq!(first.origin.address, None);
    let handle = first.family.handle;
    let (one, two) = (world.entry(), world.entry());
    let (a, b) = tokio::join!(
        world.store.move_family(handle, &first.origin, &home, &one),
        world.store.move_family(handle, &first.origin, &home, &two),
    );
    assert_eq!(u8::from(a.unwrap()) + u8::from(b.unwrap()), 1);
    let second = rotated(1).await;
    assert_eq!(second.origin.address.as_deref(), Some("203.0.113.9"));
    assert!(!world.store.move_family(handle, &abroad, &home, &world.entry()).await.unwrap());
    // An address that is not known leaves the one that is.
    let nowhere = Origin { user_agent: Some("x".to_owned()), ..Origin::default() };
    world.clock.advance(Duration::from_millis(599_999));
    assert!(
        !world.store.move_family(handle, &home, &nowhere, &world.entry()).await.unwrap(),
        "once in ten minutes"
    );
    world.clock.advance(Duration::from_millis(1));
    assert!(world.store.move_family(handle, &home, &nowhere, &world.entry()).await.unwrap());
    let third = rotated(2).await;
    assert_eq!((third.origin.address, third.origin.user_agent), (home.address, nowhere.user_agent));
}

#[tokio::test]
async fn what_the_feed_cannot_name_fails_its_own_transaction_and_no_batch() {
    let world = World::new().await;
    let (long, short) = ("x".repeat(256), "x".repeat(255));
    let revoke = async |jti: &str| {
        let expires_at = world.now().plus(Duration::from_secs(60));
        world.store.revoke_access_token((jti, expires_at), None, world.entry()).await
    };
    for _ in 0..2 {
        // It was not remembered as revoked the first time.
        assert!(matches!(revoke(&long).await, Err(Error::Corrupt { table: "revocation_outbox", .. })));
    }
    revoke(&short).await.unwrap();
    let seal = |_: &Draft| Ok::<_, Error>(Sealed { body: "batch".to_owned(), digest: "digest".to_owned() });
    let made = world.store.make_batch(world.now(), seal).await.unwrap().made.unwrap();
    assert_eq!(made.entries.len(), 1);
    assert_eq!(made.entries[0].id, short);
}
