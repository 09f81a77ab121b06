//! OpenID Connect Front-Channel Logout 1.0: the pages of relying parties in the page after signing out.

use super::end_session::{AFTER, ask, hint, signed_in};
use super::*;

/// The addresses of the frames of a page, unescaped.
fn frames(html: &str) -> Vec<String> {
    html.split("<iframe ")
        .skip(1)
        .map(|frame| {
            let source = frame.split_once("src=\"").unwrap().1.split('"').next().unwrap();
            source.replace("&#x2f;", "/").replace("&amp;", "&")
        })
        .collect()
}

/// Lets clients have pages of their own at logout: `web` one with a query that needs the session, `app` a plain one.
async fn with_pages(s: &Server) {
    s.patch_client(
        "web",
        json!({
            "frontchannel_logout_uri": "https://app.example.com/bye?app=web",
            "frontchannel_logout_session_required": true,
        }),
    )
    .await;
    s.patch_client("app", json!({ "frontchannel_logout_uri": "https://app.example.com/bye" })).await;
}

#[test]
fn the_page_loads_those_of_every_client_of_the_session_and_then_goes_on() {
    with_server(async |s| {
        with_pages(s).await;
        let (mut browser, tokens) = signed_in(s, "web").await;
        s.advance(SECOND);
        s.tokens_of(&mut browser, "app", "openid").await;
        s.tokens_of(&mut browser, "post", "openid").await;
        // Another browser's session is none of it.
        s.tokens_of(&mut Browser::new(s), "other", "openid").await;
        let params =
            [("id_token_hint", hint(&tokens)), ("post_logout_redirect_uri", AFTER), ("state", "s t")];
        let response = ask(&mut browser, &params).await;
        let html = response.ok().text();
        let sid = claims(hint(&tokens))["sid"].as_str().unwrap().to_owned();
        let issuer = s.issuer().replace(':', "%3A").replace('/', "%2F");
        assert_eq!(
            frames(&html),
            [
                format!("https://app.example.com/bye?app=web&iss={issuer}&sid={sid}"),
                "https://app.example.com/bye".to_owned()
            ]
        );
        assert!(html.contains("sandbox=\"allow-scripts allow-same-origin\"") && html.contains(" hidden>"));
        let onward = format!("{AFTER}&state=s%20t").replace('/', "&#x2f;").replace('&', "&amp;");
        let onward = onward.replace("&amp;#x2f;", "&#x2f;");
        assert!(html.contains(&format!("id=\"continue\" class=\"button\" href=\"{onward}\"")), "{html}");
        assert!(html.contains(&format!("content=\"3;url={onward}\"")), "{html}");
        assert!(html.contains("src=\"/assets/logged-out.js\""));
        let script = s.get("/assets/logged-out.js").send().await.ok().text();
        // A frame's own event may come before the script does; the page's comes after those of all frames.
        assert!(
            !script.contains("frame.addEventListener") && script.contains("document.readyState"),
            "{script}"
        );
        let policy = header(&response, "content-security-policy");
        assert!(policy.contains("frame-src https://app.example.com;"), "{policy}");
        assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"), "{policy}");
        assert!(!browser.cookies.contains_key("signet_session") && !browser.is_signed_in().await);
        assert!(response.header("revocation-batch").is_some());
    });
}

#[test]
fn signing_out_on_the_page_loads_them_too() {
    for everywhere in [false, true] {
        with_server(async |s| {
            with_pages(s).await;
            let mut browser = Browser::new(s);
            s.tokens_of(&mut browser, "app", "openid").await;
            let response = browser.log_out(everywhere).await;
            let html = response.ok().text();
            assert!(html.contains("id=\"logged-out\"") && !html.contains("id=\"continue\""), "{html}");
            assert_eq!(frames(&html), ["https://app.example.com/bye"]);
            assert_eq!(html.contains("on all devices"), everywhere);
            assert!(!browser.is_signed_in().await);
        });
    }
}

#[test]
fn signing_out_this_device_on_the_accounts_pages_loads_them_too() {
    for action in ["one", "all"] {
        with_server(async |s| {
            with_pages(s).await;
            let mut browser = Browser::new(s);
            let tokens = s.tokens_of(&mut browser, "app", "openid").await;
            let sid = claims(&tokens.access)["sid"].as_str().unwrap().to_owned();
            let page = browser.form("/account/sessions", "sessions-form").await;
            let response = browser.submit(&page, &[("action", action), ("session", &sid)]).await;
            let html = response.ok().text();
            assert!(html.contains("id=\"logged-out\""), "{html}");
            assert_eq!(frames(&html), ["https://app.example.com/bye"]);
            assert_eq!(html.contains("on all devices"), action == "all");
            assert!(
                header(&response, "content-security-policy").contains("frame-src https://app.example.com;")
            );
            assert!(response.header("revocation-batch").is_some());
            assert!(!browser.cookies.contains_key("signet_session") && !browser.is_signed_in().await);
        });
    }
}

#[test]
fn signing_out_other_devices_there_loads_nothing_here() {
    with_server(async |s| {
        with_pages(s).await;
        let (mut here, mut there) = (Browser::new(s), Browser::new(s));
        s.tokens_of(&mut here, "app", "openid").await;
        s.tokens_of(&mut there, "app", "openid").await;
        let page = here.form("/account/sessions", "sessions-form").await;
        let response = here.submit(&page, &[("action", "others")]).await;
        assert_eq!(response.location(), "/account/sessions?done=others");
        assert!(here.is_signed_in().await && !there.is_signed_in().await);
    });
}

#[test]
fn no_client_with_such_a_page_no_frame_and_no_origin_in_the_policy() {
    with_server(async |s| {
        with_pages(s).await;
        let (mut browser, tokens) = signed_in(s, "post").await;
        s.tokens_of(&mut browser, "app", "openid").await;
        s.disable_client("app").await;
        let params = [("id_token_hint", hint(&tokens)), ("post_logout_redirect_uri", AFTER)];
        assert_eq!(ask(&mut browser, &params).await.location(), AFTER);
        let page = browser.get("/logged-out").await;
        assert!(!header(&page, "content-security-policy").contains("frame-src"));
        assert!(!page.text().contains("<iframe"));
    });
}
