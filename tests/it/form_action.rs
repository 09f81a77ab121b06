//! Where the forms of pages may lead, and what is said of clients that nobody here has checked. Chromium holds every
//! redirect that follows a form to `form-action`; that it does, the tests in a browser show.

use super::*;
use crate::support::registrar::{asking, metadata, open};

const AFTER: &str = "https://app.example.com/signed-out";

/// The sources of `form-action`, beside `'self'`.
#[track_caller]
fn targets(response: &Response) -> Vec<String> {
    let policy = header(response, "content-security-policy");
    let directive = policy.split("; ").find(|part| part.starts_with("form-action ")).unwrap();
    let mut sources = directive.split(' ').skip(1).map(str::to_owned);
    assert_eq!(sources.next().as_deref(), Some("'self'"));
    sources.collect()
}

/// The pages on a client's way that have a form: sign-in, consent, sign-out and the form that carries the answer.
async fn forms(s: &Server, client: &str, redirect_uri: &str) -> [Response; 4] {
    let asked = request(client).with("scope", "openid").with("redirect_uri", redirect_uri);
    let mut browser = Browser::new(s);
    let login = browser.authorize(&asked).await;
    let login = browser.get(login.location()).await;
    let consent = browser.login(&Page::of("/login", &login), ALICE).await;
    let consent = browser.get(consent.location()).await;
    let query = encode(&[("client_id", client), ("post_logout_redirect_uri", AFTER)]);
    let logout = browser.get(&format!("/end_session?{query}")).await;
    Page::of("/end_session", &logout);
    let answer = browser.authorize(&asked.with("response_mode", "form_post").with("prompt", "none")).await;
    Page::at(&answer.ok().text(), "form-post");
    [login, consent, logout, answer]
}

#[test]
fn what_an_operator_registered_may_send_on_to_any_page_that_comes_over_tls() {
    with_server(async |s| {
        s.patch_client("spa", json!({ "post_logout_redirect_uris": [AFTER] })).await;
        for page in forms(s, "spa", CALLBACK).await {
            assert_eq!(targets(&page), ["https://app.example.com", "https:"]);
        }
    });
}

#[test]
fn an_application_under_development_may_send_on_to_this_machine() {
    with_server(async |s| {
        s.patch_client("spa", json!({ "post_logout_redirect_uris": [AFTER] })).await;
        let [login, consent, logout, answer] = forms(s, "spa", "http://127.0.0.1:8765/callback").await;
        for page in [login, consent, answer] {
            let here = ["http://localhost:*", "http://127.0.0.1:*", "http://*.localhost:*"];
            assert_eq!(targets(&page), [&["http://127.0.0.1:8765", "https:"], &here[..]].concat());
        }
        assert_eq!(targets(&logout), ["https://app.example.com", "https:"]);
    });
}

#[test]
fn a_stranger_may_send_nowhere_else() {
    with_config(open, async |s| {
        let more = json!({ "post_logout_redirect_uris": [AFTER], "token_endpoint_auth_method": "none" });
        let client = s.register(&metadata(more)).await;
        for page in forms(s, &client.id, CALLBACK).await {
            assert_eq!(targets(&page), ["https://app.example.com"]);
        }
    });
}

#[test]
fn pages_of_the_account_lead_nowhere_else() {
    with_server(async |s| {
        let mut browser = Browser::new(s);
        let login = browser.get("/account").await;
        assert!(targets(&browser.get(login.location()).await).is_empty());
        browser.sign_in(&request("app"), ALICE).await;
        for path in ["/account", "/account/password", "/logout"] {
            assert!(targets(&browser.get(path).await).is_empty(), "{path}");
        }
    });
}

mod strangers {
    use super::*;

    const MARK: &str = "id=\"client-unverified\"";
    const LOGO: &str = "https://images.example.net/bank.png";

    #[test]
    fn are_said_to_be_strangers_before_anybody_signs_in() {
        with_config(open, async |s| {
            let more = json!({ "client_name": "Your Bank", "logo_uri": LOGO });
            let client = s.register(&metadata(more)).await;
            let mut browser = Browser::new(s);
            let response = browser.authorize(&asking(&client.id, "openid")).await;
            let login = browser.get(response.location()).await;
            let html = login.ok().text();
            assert!(html.contains(MARK) && html.contains("class=\"client-host\""), "{html}");
            assert_eq!(html.matches("https:&#x2f;&#x2f;app.example.com").count(), 2, "{html}");
            // Nor does the browser ask it for anything.
            assert!(!html.contains("client-logo"), "{html}");
            let policy = header(&login, "content-security-policy");
            assert!(policy.contains("img-src 'self' data:;"), "{policy}");
            // Still so after a wrong password.
            let again = browser.login(&Page::of("/login", &login), (ALICE.0, "wrong")).await;
            assert!(again.text().contains(MARK), "{}", again.text());
            // One that an operator registered has its logo and no such note.
            s.patch_client("spa", json!({ "logo_uri": LOGO })).await;
            let html = browser.open(&request("spa")).await.html;
            assert!(!html.contains(MARK) && !html.contains("client-host"), "{html}");
            assert!(html.contains("client-logo"), "{html}");
        });
    }
}
