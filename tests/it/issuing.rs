//! What is issued after something was taken away: each way to a token against each thing that can end a grant or make
//! less of it. Each cell has a server of its own (docs/decisions/0026-the-policy-is-a-condition.md).

use std::collections::BTreeSet;

use super::*;
use crate::support::server::three_hosts;
use crate::support::surfer::{CLIENT, MAIN, OTHER, OTHER_PAGE, PAGE};
use crate::support::web_application::{WIKI, behind_a_proxy};
use Then::{Narrowed as L, Nothing as N, Unaffected as U};

/// The second API of each client here.
const SECOND: &str = "https://other.example.com";

/// A way to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A code at the token endpoint.
    Code,
    /// A refresh token that hangs on its session.
    Refresh,
    /// One that was granted `offline_access`.
    OfflineRefresh,
    /// A client for itself.
    ClientCredentials,
    /// A page's cookie.
    CookieRefresh,
    /// A code that this server redeems itself, for a cookie.
    Callback,
    /// A proxy's question with a token.
    ForwardAuth,
    /// The authorization endpoint, in a browser that is signed in.
    Implicit,
    /// The authorization endpoint, for somebody who has its sign-in page open.
    Hybrid,
}

const WAYS: [Way; 9] = [
    Way::Code,
    Way::Refresh,
    Way::OfflineRefresh,
    Way::ClientCredentials,
    Way::CookieRefresh,
    Way::Callback,
    Way::ForwardAuth,
    Way::Implicit,
    Way::Hybrid,
];

/// What is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// Nothing, so that a cell that says "nothing is issued" means something.
    None,
    UserDisabled,
    /// "Log out all devices".
    EpochRaised,
    /// By an operator, with all that hangs on it.
    SessionEnded,
    /// By the user in the browser, which leaves what was granted for when the user is away.
    SignedOut,
    ClientDisabled,
    ClientDeleted,
    /// One of the scopes that were granted.
    ScopeWithdrawn,
    /// One of two audiences.
    AudienceWithdrawn,
    EveryAudienceWithdrawn,
}

const CHANGES: [Change; 10] = [
    Change::None,
    Change::UserDisabled,
    Change::EpochRaised,
    Change::SessionEnded,
    Change::SignedOut,
    Change::ClientDisabled,
    Change::ClientDeleted,
    Change::ScopeWithdrawn,
    Change::AudienceWithdrawn,
    Change::EveryAudienceWithdrawn,
];

/// What must happen then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// No token, no code and no cookie.
    Nothing,
    /// A token without what was taken away.
    Narrowed,
    /// All that was granted.
    Unaffected,
}

/// One row for each way, one column for each change.
const TABLE: [[Then; CHANGES.len()]; WAYS.len()] = [
    // none, user off, epoch, session, signed out, client off, client gone, scope, audience, every audience
    [U, N, N, N, N, N, N, L, L, N], // code
    [U, N, N, N, N, N, N, L, L, N], // refresh
    [U, N, N, N, U, N, N, L, L, N], // refresh with offline_access
    [U, U, U, U, U, N, N, L, L, L], // client credentials: of no user; its own API is this server then
    [U, N, N, N, N, N, N, L, L, N], // a page's cookie
    [U, N, N, N, N, N, N, U, U, N], // callback: no token yet, and the refresh that makes one is the row above
    [U, N, N, N, N, N, N, L, L, N], // forward-auth
    [U, N, N, N, N, N, N, N, L, L], // implicit: asked for now, so a scope too many is refused
    [U, N, U, U, U, N, N, L, L, N], // hybrid: the session is begun after the change, the request was sent before
];

/// What somebody has in hand when the change comes.
enum Held<'a> {
    Code(Browser<'a>, String),
    RefreshToken(Browser<'a>, String),
    Secret(Browser<'a>),
    Cookie(Surfer<'a>),
    Arrival(Surfer<'a>, String),
    WebSession(Browser<'a>),
    Session(Browser<'a>),
    /// The open page, and another browser in which the same user is signed in.
    SignInPage(Browser<'a>, Box<Page>, Browser<'a>),
}

impl Way {
    fn configure(self, config: &mut Config) {
        match self {
            Self::CookieRefresh | Self::Callback => three_hosts(config),
            Self::ForwardAuth => behind_a_proxy(config),
            Self::Implicit | Self::Hybrid => config.protocol.legacy_response_types = true,
            Self::Code | Self::Refresh | Self::OfflineRefresh | Self::ClientCredentials => {}
        }
    }

    const fn client(self) -> &'static str {
        match self {
            Self::Code | Self::Refresh | Self::OfflineRefresh => "app",
            Self::ClientCredentials => "service",
            Self::CookieRefresh | Self::Callback => CLIENT,
            Self::ForwardAuth => "wiki",
            Self::Implicit | Self::Hybrid => "suite",
        }
    }

    /// The file that mints on this way, and what discovery calls it.
    const fn mint(self) -> (&'static str, &'static str) {
        match self {
            Self::Code | Self::Callback => ("grant/authorization_code.rs", "authorization_code"),
            Self::Refresh | Self::OfflineRefresh | Self::CookieRefresh => {
                ("grant/refresh_token.rs", "refresh_token")
            }
            Self::ClientCredentials => ("grant/client_credentials.rs", "client_credentials"),
            Self::ForwardAuth => ("forward_auth.rs", "authorization_code"),
            Self::Implicit | Self::Hybrid => ("authorize/legacy.rs", "implicit"),
        }
    }

    async fn register(self, s: &Server) {
        match self {
            Self::ForwardAuth => s.create_wiki().await,
            Self::Implicit | Self::Hybrid => {
                let types = ["code", "id_token", "id_token token", "code id_token token"];
                let metadata = json!({
                    "profile": "oidc-certification",
                    "require_pkce": false,
                    "redirect_uris": [CALLBACK],
                    "grant_types": ["authorization_code", "implicit"],
                    "response_types": types,
                    "scope": "openid email read write",
                    "first_party": true,
                });
                s.create_client("suite", metadata).await;
            }
            _ => {}
        }
        s.patch_client(self.client(), json!({ "audience": [AUDIENCE, SECOND] })).await;
    }

    /// An authorization request of the client of the legacy ways.
    fn asked(self) -> Asked {
        let kind = if self == Self::Implicit { "id_token token" } else { "code id_token token" };
        let plain = request("suite").without("code_challenge").without("code_challenge_method");
        plain.with("response_type", kind).with("scope", "openid read write")
    }

    /// Goes as far as the change.
    async fn hold(self, s: &Server) -> Held<'_> {
        self.register(s).await;
        let mut browser = Browser::new(s);
        match self {
            Self::Code => {
                let asked = request("app").with("scope", "openid read write");
                let code = browser.sign_in(&asked, ALICE).await.code();
                Held::Code(browser, code)
            }
            Self::Refresh | Self::OfflineRefresh => {
                let offline = if self == Self::OfflineRefresh { " offline_access" } else { "" };
                let scope = format!("openid read write{offline}");
                let tokens = s.tokens_of(&mut browser, "app", &scope).await;
                Held::RefreshToken(browser, tokens.refresh().to_owned())
            }
            Self::ClientCredentials => {
                browser.sign_in(&request("app"), ALICE).await.code();
                Held::Secret(browser)
            }
            Self::CookieRefresh => Held::Cookie(Surfer::signed_in(s).await),
            Self::Callback => {
                let mut surfer = Surfer::signed_in(s).await;
                let callback = surfer.up_to_callback(OTHER, OTHER_PAGE).await;
                Held::Arrival(surfer, callback)
            }
            Self::ForwardAuth => {
                browser.enter("wiki", WIKI, ALICE).await;
                Held::WebSession(browser)
            }
            Self::Implicit => {
                browser.sign_in(&request("app"), ALICE).await.code();
                Held::Session(browser)
            }
            Self::Hybrid => {
                let mut elsewhere = Browser::new(s);
                elsewhere.sign_in(&request("app"), ALICE).await.code();
                let page = browser.open(&self.asked()).await;
                Held::SignInPage(browser, Box::new(page), elsewhere)
            }
        }
    }
}

impl Held<'_> {
    /// The browser in which alice is signed in.
    fn browser(&self) -> Browser<'_> {
        match self {
            Self::Code(browser, _)
            | Self::RefreshToken(browser, _)
            | Self::Secret(browser)
            | Self::WebSession(browser)
            | Self::Session(browser)
            | Self::SignInPage(_, _, browser) => browser.clone(),
            Self::Cookie(surfer) | Self::Arrival(surfer, _) => {
                let cookies = surfer.jars[MAIN].clone();
                Browser { cookies, ..Browser::new(surfer.server) }
            }
        }
    }

    /// Goes on after the change: the claims of the access token that is issued, `null` for a cookie without one.
    async fn attempt(self, s: &Server, way: Way) -> Option<Value> {
        match self {
            Self::Code(_, code) => of_body(&s.redeem("app", &code).await),
            Self::RefreshToken(_, token) => of_body(&s.refresh("app", &token).await),
            Self::Secret(_) => of_body(&s.token("service", &[("grant_type", "client_credentials")]).await),
            Self::Cookie(mut surfer) => of_body(&surfer.refresh(PAGE).await),
            Self::Arrival(mut surfer, callback) => {
                let answer = surfer.get(&callback).await;
                no_fault(&answer);
                let set = answer.all("set-cookie").find(|cookie| cookie.contains("refresh-"));
                set.map(|_| Value::Null)
            }
            Self::WebSession(browser) => {
                let answer = s.visit(&browser, &[("token", "1")]).await;
                no_fault(&answer);
                let token = answer.header("authorization")?.strip_prefix("Bearer ").unwrap();
                Some(claims(token))
            }
            Self::Session(mut browser) => of_fragment(&browser.authorize(&way.asked()).await),
            Self::SignInPage(mut browser, page, _) => of_fragment(&browser.login(&page, ALICE).await),
        }
    }
}

/// A refusal, and not a fault that looks like one.
#[track_caller]
fn no_fault(response: &Response) {
    assert!(response.status < 500, "{response:?}");
}

#[track_caller]
fn of_body(response: &Response) -> Option<Value> {
    no_fault(response);
    if response.status != 200 {
        assert!(!response.text().contains("_token\":"), "{}", response.text());
        return None;
    }
    Some(claims(response.json()["access_token"].as_str().unwrap()))
}

#[track_caller]
fn of_fragment(response: &Response) -> Option<Value> {
    no_fault(response);
    let (_, params) = response.header("location")?.split_once('#')?;
    let params = Redirect::parse(&format!("{CALLBACK}?{params}"));
    let token = params.get("access_token").map(claims);
    assert!(token.is_some() || (params.get("code"), params.get("id_token")) == (None, None), "{params:?}");
    token
}

impl Change {
    async fn apply(self, s: &Server, way: Way, held: &Held<'_>) {
        let client = way.client();
        match self {
            Self::None => {}
            Self::UserDisabled => {
                s.disable_user(ALICE.0).await;
            }
            Self::EpochRaised => {
                s.log_out_all(ALICE.0).await;
            }
            Self::SessionEnded => {
                let live = s.op.store.live_sessions(None, 10, s.now()).await.unwrap();
                assert_eq!(live.len(), 1);
                s.end_session(&live[0].id.to_string()).await;
            }
            Self::SignedOut => {
                let answer = held.browser().log_out(false).await;
                assert!(answer.location().starts_with("/logged-out"), "{answer:?}");
            }
            Self::ClientDisabled => s.disable_client(client).await,
            Self::ClientDeleted => s.delete_client(client).await,
            Self::ScopeWithdrawn => {
                let left = match way {
                    Way::ClientCredentials => "read",
                    Way::Implicit | Way::Hybrid => "openid email read",
                    _ => "openid profile email offline_access read",
                };
                s.patch_client(client, json!({ "scope": left })).await;
            }
            Self::AudienceWithdrawn => s.patch_client(client, json!({ "audience": [AUDIENCE] })).await,
            Self::EveryAudienceWithdrawn => s.patch_client(client, json!({ "audience": [] })).await,
        }
    }

    /// What has become of the grant, going by the token.
    fn judge(self, s: &Server, issued: Option<&Value>) -> Then {
        let Some(token) = issued else { return N };
        if token.is_null() {
            return U;
        }
        let (mut audience, scope) = (words(&token["aud"]), words(&token["scope"]));
        audience.sort_unstable();
        assert!(scope.contains(&"read"), "{token}");
        match (scope.contains(&"write"), audience.as_slice()) {
            (true, [AUDIENCE, SECOND]) => U,
            (false, [AUDIENCE, SECOND]) if self == Self::ScopeWithdrawn => L,
            (true, [AUDIENCE]) if self == Self::AudienceWithdrawn => L,
            (true, [own]) if self == Self::EveryAudienceWithdrawn && *own == s.issuer() => L,
            _ => panic!("{self:?} made {token}"),
        }
    }
}

/// The words of a text or of a list of them.
fn words(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(all) => all.iter().map(|one| one.as_str().unwrap()).collect(),
        text => text.as_str().unwrap().split(' ').collect(),
    }
}

/// Plays one row; the number of cells that came out as they should.
fn row(way: Way) -> usize {
    let index = WAYS.iter().position(|one| *one == way).unwrap();
    let cells = CHANGES.into_iter().zip(TABLE[index]);
    cells
        .map(|(change, then)| {
            with_config(
                |config| way.configure(config),
                async |s| {
                    let held = way.hold(s).await;
                    change.apply(s, way, &held).await;
                    let issued = held.attempt(s, way).await;
                    assert_eq!(
                        change.judge(s, issued.as_ref()),
                        then,
                        "{way:?} after {change:?}: {issued:?}"
                    );
                },
            );
        })
        .count()
}

mod after_something_was_taken_away {
    use super::*;

    #[test]
    fn a_code() {
        assert_eq!(row(Way::Code), CHANGES.len());
    }

    #[test]
    fn a_refresh_token() {
        assert_eq!(row(Way::Refresh), CHANGES.len());
    }

    #[test]
    fn a_refresh_token_for_when_the_user_is_away() {
        assert_eq!(row(Way::OfflineRefresh), CHANGES.len());
    }

    #[test]
    fn a_client_for_itself() {
        assert_eq!(row(Way::ClientCredentials), CHANGES.len());
    }

    #[test]
    fn a_pages_cookie() {
        assert_eq!(row(Way::CookieRefresh), CHANGES.len());
    }

    #[test]
    fn a_code_at_the_callback_of_this_server() {
        assert_eq!(row(Way::Callback), CHANGES.len());
    }

    #[test]
    fn a_web_application_behind_a_proxy() {
        assert_eq!(row(Way::ForwardAuth), CHANGES.len());
    }

    #[test]
    fn a_browser_at_the_authorization_endpoint() {
        assert_eq!(row(Way::Implicit), CHANGES.len());
    }

    #[test]
    fn a_sign_in_page_that_was_open() {
        assert_eq!(row(Way::Hybrid), CHANGES.len());
    }

    #[test]
    fn the_table_has_a_cell_for_every_way_and_every_change() {
        let cells = TABLE.iter().flatten().count();
        assert_eq!((WAYS.len(), CHANGES.len(), cells), (9, 10, 90));
        assert!(WAYS.iter().enumerate().all(|(index, way)| *way as usize == index));
        assert!(CHANGES.iter().enumerate().all(|(index, change)| *change as usize == index));
        // Each row is played.
        let played =
            include_str!("issuing.rs").lines().filter(|line| line.trim().starts_with("assert_eq!(row(Way::"));
        assert_eq!(played.count(), WAYS.len());
        // Whoever mints elsewhere has forgotten a row.
        let flow = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/flow");
        let mut minting = BTreeSet::new();
        let mut folders = vec![flow.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if std::fs::read_to_string(&path).unwrap().contains("= AccessTokenRequest {") {
                    minting.insert(path.strip_prefix(&flow).unwrap().display().to_string());
                }
            }
        }
        let known: BTreeSet<_> = WAYS.iter().map(|way| way.mint().0.to_owned()).collect();
        assert_eq!(minting, known);
        with_config(
            |config| Way::Implicit.configure(config),
            async |s| {
                let metadata = s.get("/.well-known/openid-configuration").send().await.ok().json();
                let grants: BTreeSet<_> = words(&metadata["grant_types_supported"]).into_iter().collect();
                assert_eq!(grants, WAYS.iter().map(|way| way.mint().1).collect());
            },
        );
    }
}
