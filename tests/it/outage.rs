//! The database does not answer: what needs none goes on, the rest is 503 and never `invalid_grant`, and afterwards
//! everything works as if nothing had been.

use signet::clock::monotonic_now;
use signet::secret::DatabaseUrl;
use sqlx::{Connection as _, Executor as _};

use super::*;
use crate::support::feed::PATIENCE;
use crate::support::proxy::{Proxy, Road};
use crate::support::server::impatient;

/// A node whose road to PostgreSQL can be cut, and which waits for it no longer than a deployment; `None` on SQLite,
/// which has no road. What is only to be there beforehand is made at the patient node.
pub(super) async fn behind_proxy(s: &Server) -> Option<(Server, Proxy)> {
    behind_proxy_with(s, &|_| {}).await
}

/// The same, configured differently.
pub(super) async fn behind_proxy_with(s: &Server, change: &impl Fn(&mut Config)) -> Option<(Server, Proxy)> {
    if s.backend == Backend::Sqlite {
        return None;
    }
    let mut url = url::Url::parse(s.config.database.url.reveal()).unwrap();
    let upstream = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
    let proxy = Proxy::to(upstream).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(proxy.address.port())).unwrap();
    let public_url = s.config.public_url.clone();
    let node = s
        .node_with(&|config| {
            config.public_url.clone_from(&public_url);
            impatient(config);
            change(config);
            config.database.url = DatabaseUrl::new(url.as_str());
        })
        .await;
    Some((node, proxy))
}

/// The first answer that is not 503.
pub(super) async fn once_available(ask: impl AsyncFn() -> Response) -> Response {
    let asking = async {
        loop {
            let answer = ask().await;
            if answer.status != 503 {
                return answer;
            }
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("it is available again")
}

/// Everything that needs the database, for a signed-in user.
fn needing_the_database(
    node: &Server,
    browser: &Browser<'_>,
    page: &Page,
    tokens: &Tokens,
    code: &str,
) -> Vec<Request> {
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
    let login = page.encoded(&[("username", ALICE.0), ("password", ALICE.1), ("action", "login")]);
    vec![
        node.auth("app").on(node.post("/token"), &refresh),
        node.auth("app").on(node.post("/token"), &redemption(code)),
        node.auth("app").on(node.post("/revoke"), &[("token", tokens.refresh())]),
        node.auth("app").on(node.post("/revoke"), &[("token", &tokens.access)]),
        node.auth("api").on(node.post("/introspect"), &[("token", &tokens.access)]),
        node.auth("web").on(node.post("/token"), &refresh),
        node.get("/userinfo").bearer(&tokens.access),
        browser.with_cookies(node.get(&request("app").target())),
        browser.with_cookies(node.get(&format!("/login?interaction={}", page.field("interaction")))),
        browser.with_cookies(node.post("/login").raw_form(&login)),
        browser.with_cookies(node.get("/logout")),
        node.get(&request("app").target()),
    ]
}

async fn outage(s: &Server, road: Road) {
    let Some((node, proxy)) = behind_proxy(s).await else { return };
    let mut browser = Browser::new(s);
    let tokens = s.tokens_of(&mut browser, "app", "openid offline_access read").await;
    let code = browser.silently(&request("app")).await.code();
    let page = browser.open(&request("app").with("prompt", "login")).await;
    let browser = browser.at(&node);
    proxy.set(road);
    // No copy of a client is fresh enough any more.
    node.advance(10 * SECOND);
    for path in ["/.well-known/jwks.json", "/.well-known/openid-configuration", "/healthz"] {
        node.get(path).send().await.ok();
    }
    node.admin_get("/livez").send().await.ok();
    assert_eq!(node.admin_get("/readyz").send().await.status, 503);
    for request in needing_the_database(&node, &browser, &page, &tokens, &code) {
        let began = monotonic_now();
        let response = request.send().await;
        let took = began.elapsed();
        assert_eq!(response.status, 503, "{request:?}: {}", response.text());
        assert!(header(&response, "retry-after").parse::<u32>().unwrap() >= 1, "{request:?}");
        // Otherwise it would be the deadline of the request, 10 s.
        assert!(took < Duration::from_secs(8), "{took:?}: {request:?}");
        assert!(!response.text().contains("invalid_grant"));
    }
    proxy.set(Road::Open);
    // Connections that broke are found out one by one.
    let refreshed = once_available(async || node.refresh("app", tokens.refresh()).await).await;
    let refreshed = Tokens::of(&refreshed);
    assert!(refreshed.refresh.is_some());
    assert!(s.is_active(&refreshed.access).await);
    assert!(browser.at(s).is_signed_in().await);
    s.redeem("app", &code).await.ok();
    once_available(async || node.admin_get("/readyz").send().await).await.ok();
    node.stop().await;
}

#[test]
fn a_database_that_refuses_is_503_and_nothing_is_lost() {
    with_server(async |s| outage(s, Road::Cut).await);
}

#[test]
fn a_database_that_hangs_is_503_in_time_and_nothing_is_lost() {
    with_server(async |s| outage(s, Road::Silent).await);
}

#[test]
fn a_database_that_somebody_else_has_locked_is_503_and_nothing_is_lost() {
    with_config(impatient, async |s| {
        if s.backend != Backend::Sqlite {
            return;
        }
        let tokens = s.tokens("app").await;
        let file = s.config.database.url.reveal().to_owned();
        let mut other = sqlx::SqliteConnection::connect(&file).await.unwrap();
        other.execute("BEGIN IMMEDIATE").await.unwrap();
        let began = monotonic_now();
        let refused = s.refresh("app", tokens.refresh()).await;
        assert!(began.elapsed() < Duration::from_secs(9));
        refused.refused(503, "temporarily_unavailable");
        assert!(header(&refused, "retry-after").parse::<u32>().unwrap() >= 1);
        s.get("/.well-known/jwks.json").send().await.ok();
        // Readers read on.
        assert!(s.is_active(&tokens.access).await);
        other.execute("ROLLBACK").await.unwrap();
        assert!(Tokens::of(&s.refresh("app", tokens.refresh()).await).refresh.is_some());
        assert!(!s.events(ALICE.0).await.contains(&"refresh.forked"));
    });
}
