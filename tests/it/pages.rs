//! What pages say: to whom the sign-in page says that they confirm who they are, what the consent page promises, and that
//! people get a page whatever goes wrong.

use super::account::{make_stale, signed_in};
use super::*;

mod confirming {
    use super::*;

    const HEADING: &str = "<h1>Confirm that it is you</h1>";

    #[test]
    fn is_asked_of_somebody_who_is_signed_in_and_begins_with_their_name() {
        with_server(async |s| {
            let mut browser = signed_in(s, ALICE).await;
            let page = browser.open(&request("app").with("prompt", "login")).await;
            assert!(page.html.contains(HEADING) && page.html.contains("value=\"alice\""), "{}", page.html);
            assert!(page.html.contains("value=\"login\">Confirm</button>"));
            // Who fails at it is still signed in.
            let wrong = browser.login(&page, (ALICE.0, "wrong")).await;
            assert_eq!(wrong.status, 401);
            assert!(wrong.text().contains(HEADING) && !wrong.text().contains("You are not signed in"));
            assert!(browser.is_signed_in().await);
        });
    }

    /// Asserts that the page is for anybody.
    async fn plain(browser: &mut Browser<'_>, asked: Asked) {
        let page = browser.open(&asked).await;
        assert!(page.html.contains("<h1>Sign in</h1>"), "{}", page.html);
        assert!(!page.html.contains("value=\"alice\""), "{}", page.html);
    }

    #[test]
    fn is_not_asked_of_anybody_else() {
        with_server(async |s| {
            plain(&mut Browser::new(s), request("app").with("prompt", "login")).await;
            // A cookie that signs nobody in any more.
            let mut left = signed_in(s, ALICE).await;
            let mut copy = left.clone();
            left.log_out(false).await.location();
            plain(&mut copy, request("app")).await;
            // Somebody else is wanted.
            let mut browser = signed_in(s, ALICE).await;
            plain(&mut browser, request("app").with("prompt", "select_account")).await;
            plain(&mut browser, request("app").with("prompt", "login").with("login_hint", "bob")).await;
        });
    }

    #[test]
    fn for_a_change_on_the_accounts_pages_too() {
        with_server(async |s| {
            let mut browser = signed_in(s, ALICE).await;
            make_stale(s, &browser).await;
            let page = browser.form("/account/sessions", "sessions-form").await;
            let response = browser.submit(&page, &[("action", "others")]).await;
            let page = browser.page(response.location()).await;
            assert!(page.html.contains(HEADING) && page.html.contains("value=\"alice\""), "{}", page.html);
        });
    }
}

mod consent {
    use super::*;

    /// The consent page of a client that asks for this scope.
    async fn asked(s: &Server, client: &str, scope: &str, redirect_uri: &str) -> String {
        let mut browser = signed_in(s, ALICE).await;
        let asked = request(client).with("scope", scope).with("redirect_uri", redirect_uri);
        let page = browser.open(&asked).await;
        assert_eq!(page.path, "/consent");
        page.html
    }

    #[test]
    fn says_what_ends_the_access_and_after_how_long_without_use() {
        with_server(async |s| {
            let online = asked(s, "spa", "openid", CALLBACK).await;
            assert!(online.contains("is not used for") && online.contains("or if you sign out."), "{online}");
            let offline = asked(s, "spa", "openid offline_access", CALLBACK).await;
            assert!(offline.contains("or if you sign out on all devices."), "{offline}");
        });
    }

    #[test]
    fn promises_no_more_than_an_access_token_to_a_client_that_cannot_refresh() {
        with_server(async |s| {
            s.patch_client("spa", json!({ "grant_types": ["authorization_code"] })).await;
            let html = asked(s, "spa", "openid", CALLBACK).await;
            assert!(html.contains("minutes after each sign-in.") && !html.contains("For at most"), "{html}");
        });
    }

    #[test]
    fn says_which_app_on_the_device_gets_the_answer() {
        with_server(async |s| {
            let metadata = json!({
                "application_type": "native",
                "token_endpoint_auth_method": "none",
                "redirect_uris": ["com.example.app:/callback"],
                "scope": "openid",
            });
            s.create_client("device", metadata).await;
            let html = asked(s, "device", "openid", "com.example.app:/callback").await;
            assert!(html.contains("<strong class=\"break\">com.example.app:</strong>"), "{html}");
        });
    }

    #[test]
    fn names_the_applications_pages_in_cookie_mode_and_not_our_host() {
        with_hosts(async |s| {
            s.patch_client("board", json!({ "first_party": false })).await;
            let mut surfer = Surfer::new(s);
            let main = crate::support::surfer::MAIN;
            let query = encode(&[("client_id", "board"), ("return_to", "https://board.example.com/")]);
            let begun = surfer.get(&format!("{main}/session/start?{query}")).await;
            let to_login = surfer.get(begun.location()).await.location().to_owned();
            let page = surfer.get(&format!("{main}{to_login}")).await;
            let to_consent = surfer.sign_in_at(main, &page).await.location().to_owned();
            let html = surfer.get(&format!("{main}{to_consent}")).await.ok().text();
            let next = html.split_once("Where you go next").unwrap().1.split("</p>").next().unwrap();
            assert!(next.contains("board.example.com") && !next.contains("auth."), "{next}");
        });
    }

    #[test]
    fn says_in_the_words_of_an_api_what_its_scopes_allow() {
        with_server(async |s| {
            let words = "Read your <notes>";
            let change = json!({ "scopes": ["read"], "scope_descriptions": { "read": words } });
            s.patch_api(AUDIENCE, change).await;
            let html = asked(s, "spa", "openid read write", CALLBACK).await;
            assert!(
                html.contains("Read your &lt;notes&gt;") && html.contains("Use the permission “write”"),
                "{html}"
            );
            let mut browser = signed_in(s, ALICE).await;
            browser.sign_in(&request("spa").with("scope", "openid read"), ALICE).await.code();
            let html = browser.get("/account/applications").await.ok().text();
            assert!(html.contains("Read your &lt;notes&gt;"), "{html}");
        });
    }
}

#[test]
fn a_page_that_is_asked_for_in_a_way_it_does_not_take_is_a_page() {
    with_server(async |s| {
        for path in [
            "/login",
            "/consent",
            "/logout",
            "/logged-out",
            "/account",
            "/account/activity",
            "/authorize",
            "/",
        ] {
            let response = s.request("PUT", path).send().await;
            assert_eq!(response.status, 405, "{path}");
            assert!(header(&response, "content-type").starts_with("text/html"), "{path}");
            assert!(
                response.text().contains("id=\"message\"") && response.header("allow").is_some(),
                "{path}"
            );
            assert!(header(&response, "content-security-policy").contains("default-src 'none'"), "{path}");
        }
        for path in ["/token", "/introspect", "/.well-known/jwks.json"] {
            let response = s.request("PUT", path).send().await;
            assert!(header(&response, "content-type").starts_with("application/json"), "{path}");
        }
    });
}

#[test]
fn the_page_after_signing_out_is_not_for_somebody_who_is_signed_in() {
    with_server(async |s| {
        let mut browser = signed_in(s, ALICE).await;
        for path in ["/logged-out", "/logged-out?everywhere=1"] {
            let html = browser.get(path).await.ok().text();
            assert!(!html.contains("id=\"logged-out\"") && html.contains("You are signed in"), "{html}");
            assert!(html.contains("href=\"&#x2f;logout\""), "{html}");
        }
        browser.log_out(false).await.location();
        assert!(browser.get("/logged-out").await.text().contains("id=\"logged-out\""));
    });
}
