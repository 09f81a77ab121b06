//! OAuth 2.0 Form Post Response Mode.

use super::*;

/// The form of a response page: where it goes and what it carries, as a browser would read it.
#[track_caller]
fn posted(response: &Response) -> (String, Vec<(String, String)>) {
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.header("location"), None);
    let form = Page::at(&response.text(), "form-post");
    assert!(form.html.contains("method=\"post\""));
    let action = form.html.split_once("action=\"").unwrap().1.split('"').next().unwrap();
    (plain(action), form.hidden.iter().map(|(name, value)| (plain(name), plain(value))).collect())
}

/// What a browser makes of the references in an attribute.
fn plain(text: &str) -> String {
    let pairs =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#x2f;", "/"), ("&amp;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (reference, plain)| text.replace(reference, plain))
}

fn of<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn asked(client: &str) -> Asked {
    request(client).with("response_mode", "form_post")
}

mod s2_form_post_response_mode {
    use super::*;

    #[test]
    fn a_code_is_posted_to_the_redirect_uri_with_state_and_issuer() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let page = browser.open(&asked("app")).await;
            let response = browser.login(&page, ALICE).await;
            let (action, fields) = posted(&response);
            let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!((action.as_str(), names), (CALLBACK, vec!["code", "state", "iss"]));
            assert_eq!(of(&fields, "state"), Some("af0ifjsldkj"));
            assert_eq!(of(&fields, "iss"), Some(s.issuer()));
            assert!(browser.cookies.contains_key("signet_session"));
            s.redeem("app", of(&fields, "code").unwrap()).await.ok();
            // With a session too, and after a consent.
            posted(&browser.authorize(&asked("app")).await);
            let response = browser.authorize(&asked("spa")).await;
            let (_, fields) = posted(&browser.consent(response.location()).await);
            s.redeem("spa", of(&fields, "code").unwrap()).await.ok();
        });
    }

    #[test]
    fn the_page_is_not_stored_and_may_post_to_that_origin_and_on_from_there() {
        with_server(async |s| {
            let response = Browser::new(s).authorize(&asked("app").with("prompt", "none")).await;
            posted(&response);
            assert_eq!(header(&response, "cache-control"), "no-store");
            assert_eq!(header(&response, "referrer-policy"), "no-referrer");
            let policy = header(&response, "content-security-policy");
            assert!(policy.contains("form-action 'self' https://app.example.com https:;"), "{policy}");
            assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
            // A button for people without scripts, and a file of ours for the others.
            let html = response.text();
            assert!(html.contains("id=\"form-post-submit\" type=\"submit\""));
            assert!(html.contains("<script src=\"/assets/form-post.js\" defer></script>"));
            let script = s.get("/assets/form-post.js").send().await;
            // Not as a press of the button: that is the person's, should this come to nothing.
            assert!(!script.ok().text().contains("requestSubmit"));
        });
    }

    #[test]
    fn errors_are_posted_as_well() {
        with_server(async |s| {
            let long = "x".repeat(513);
            for (name, value, error) in [
                ("prompt", "none", "login_required"),
                ("scope", "openid nothing", "invalid_scope"),
                ("response_type", "", "invalid_request"),
                ("response_type", "token", "unsupported_response_type"),
                ("code_challenge", "", "invalid_request"),
                ("nonce", &long, "invalid_request"),
                ("request", "x", "invalid_request_object"),
            ] {
                let response = Browser::new(s).authorize(&asked("app").with(name, value)).await;
                let (action, fields) = posted(&response);
                assert_eq!((action.as_str(), of(&fields, "error")), (CALLBACK, Some(error)), "{name}");
                assert_eq!(of(&fields, "state"), Some("af0ifjsldkj"), "{name}");
                assert_eq!((of(&fields, "iss"), of(&fields, "code")), (Some(s.issuer()), None), "{name}");
            }
            let mut browser = Browser::new(s);
            let page = browser.open(&asked("app")).await;
            let (_, fields) = posted(&browser.submit(&page, &[("action", "cancel")]).await);
            assert_eq!(of(&fields, "error"), Some("access_denied"));
        });
    }

    #[test]
    fn every_value_arrives_as_it_was_sent_and_nothing_becomes_markup() {
        with_server(async |s| {
            for state in [
                "<script>alert(1)</script>",
                "\"><img src=x onerror=alert(1)>",
                "' onfocus='alert(1)' autofocus='",
                "</form><form action=//evil.example>",
                "{{ 7 * 7 }}{% raw %}",
                "&lt;&amp;&#x27;&quot;",
                " a  b\t%00+&=;",
                "ünï\u{1f511}\u{202e}",
            ] {
                let response = Browser::new(s)
                    .authorize(&asked("app").with("prompt", "none").with("state", state))
                    .await;
                let (action, fields) = posted(&response);
                assert_eq!((action.as_str(), of(&fields, "state")), (CALLBACK, Some(state)));
                let html = response.text();
                assert_eq!(html.matches("<form ").count(), 1, "{state}");
                assert_eq!(html.matches("<script ").count(), 2, "{state}");
                assert!(!html.contains("<img src=x") && !html.contains("alert(1)<"), "{state}");
            }
        });
    }

    #[test]
    fn a_state_that_a_form_would_change_is_refused() {
        with_server(async |s| {
            for state in ["a\nb", "a\rb", "a\r\nb"] {
                let response = Browser::new(s).authorize(&asked("app").with("state", state)).await;
                let (_, fields) = posted(&response);
                assert_eq!((of(&fields, "error"), of(&fields, "state")), (Some("invalid_request"), None));
            }
        });
    }

    #[test]
    fn nothing_is_posted_to_an_address_that_is_not_proven() {
        with_server(async |s| {
            let foreign = asked("app").with("redirect_uri", "https://attacker.example.com/callback");
            for wrong in [foreign, asked("app").without("redirect_uri"), asked("nobody")] {
                let response = Browser::new(s).authorize(&wrong).await;
                assert_eq!(response.status, 400);
                assert!(!response.text().contains("form-post"));
            }
        });
    }

    #[test]
    fn an_app_on_the_device_gets_no_form() {
        with_server(async |s| {
            let metadata = json!({
                "application_type": "native",
                "token_endpoint_auth_method": "none",
                "redirect_uris": ["com.example.app:/callback"],
                "scope": "openid",
                "first_party": true,
            });
            s.create_client("device", metadata).await;
            let asked = asked("device").with("redirect_uri", "com.example.app:/callback");
            let answer = Browser::new(s).silently(&asked.with("scope", "openid")).await;
            assert_eq!(answer.uri, "com.example.app:/callback");
            assert_eq!(answer.get("error"), Some("invalid_request"));
        });
    }
}
