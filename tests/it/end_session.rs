//! OpenID Connect RP-Initiated Logout 1.0, as the certification's modules look at it: what proves a logout, what is
//! asked first, and that nobody is led anywhere that is not registered.

use signet::digest::{base64url, base64url_decode};

use super::*;

pub(super) const AFTER: &str = "https://app.example.com/signed-out?from=signet";

/// A browser that is signed in at a client, and the client's tokens. The client may send it to [`AFTER`].
pub(super) async fn signed_in<'a>(s: &'a Server, client: &str) -> (Browser<'a>, Tokens) {
    s.patch_client(client, json!({ "post_logout_redirect_uris": [AFTER] })).await;
    let mut browser = Browser::new(s);
    let tokens = s.tokens_of(&mut browser, client, "openid").await;
    (browser, tokens)
}

pub(super) fn hint(tokens: &Tokens) -> &str {
    tokens.id.as_deref().unwrap()
}

pub(super) async fn ask(browser: &mut Browser<'_>, params: &[(&str, &str)]) -> Response {
    browser.get(&format!("/end_session?{}", encode(params))).await
}

/// The sign-out question; nothing has happened yet.
async fn question(browser: &Browser<'_>, response: &Response) -> Page {
    let page = Page::of("/end_session", response);
    assert!(page.html.contains("id=\"logout-confirm\"") && page.html.contains("id=\"logout-cancel\""));
    assert_eq!(page.path, "/end_session");
    assert!(browser.is_signed_in().await);
    page
}

async fn confirm(browser: &mut Browser<'_>, page: &Page) -> Response {
    browser.submit(page, &[("action", "logout")]).await
}

async fn is_logged_out_page(browser: &mut Browser<'_>, response: &Response) {
    assert_eq!(response.location(), "/logged-out");
    assert!(browser.get("/logged-out").await.ok().text().contains("id=\"logged-out\""));
    assert!(!browser.is_signed_in().await);
}

mod with_a_hint_of_this_session {
    use super::*;

    #[test]
    fn it_ends_without_a_question_and_the_state_comes_back_alone() {
        with_server(async |s| {
            let (mut browser, tokens) = signed_in(s, "web").await;
            let state = "aB3-._~%& =".repeat(11) + "1234567";
            assert_eq!(state.len(), 128);
            let params =
                [("id_token_hint", hint(&tokens)), ("post_logout_redirect_uri", AFTER), ("state", &state)];
            // So that the history has an order.
            s.advance(SECOND);
            let response = ask(&mut browser, &params).await;
            let answer = Redirect::parse(response.location());
            assert_eq!(answer.uri, "https://app.example.com/signed-out");
            assert_eq!(answer.get("from"), Some("signet"));
            assert_eq!((answer.get("state"), answer.params.len()), (Some(state.as_str()), 2));
            assert!(response.header("revocation-batch").is_some());
            assert!(!browser.cookies.contains_key("signet_session"));
            assert!(!browser.is_signed_in().await);
            assert!(!s.is_active(&tokens.access).await);
            let ended = s.history(ALICE.0).await.pop().unwrap();
            assert_eq!((ended.event.as_str(), ended.cause.as_deref()), ("session.ended", Some("logout")));
            assert_eq!(ended.client.unwrap().as_str(), "web");
        });
    }

    #[test]
    fn without_a_state_the_address_is_as_registered() {
        with_server(async |s| {
            let (mut browser, tokens) = signed_in(s, "web").await;
            let params = [("id_token_hint", hint(&tokens)), ("post_logout_redirect_uri", AFTER)];
            assert_eq!(ask(&mut browser, &params).await.location(), AFTER);
            assert!(!browser.is_signed_in().await);
            // Again, with nobody signed in: it is as it should be.
            assert_eq!(ask(&mut browser, &params).await.location(), AFTER);
        });
    }

    #[test]
    fn an_expired_one_is_as_good() {
        with_server(async |s| {
            let (mut browser, tokens) = signed_in(s, "web").await;
            s.advance(40 * MINUTE);
            let params = [("id_token_hint", hint(&tokens)), ("post_logout_redirect_uri", AFTER)];
            assert_eq!(ask(&mut browser, &params).await.location(), AFTER);
            assert!(!browser.is_signed_in().await);
        });
    }

    #[test]
    fn without_an_address_the_page_says_that_it_is_done() {
        with_server(async |s| {
            let (mut browser, tokens) = signed_in(s, "web").await;
            let response = ask(&mut browser, &[("id_token_hint", hint(&tokens)), ("state", "x")]).await;
            is_logged_out_page(&mut browser, &response).await;
        });
    }

    #[test]
    fn a_form_does_as_well_also_from_another_site_where_cookies_stay_behind() {
        with_server(async |s| {
            let (mut browser, tokens) = signed_in(s, "web").await;
            let form = [("id_token_hint", hint(&tokens)), ("post_logout_redirect_uri", AFTER)];
            let cross = s.post("/end_session").header("Sec-Fetch-Site", "cross-site");
            let cross = cross.header("Origin", "https://app.example.com").form(&form).send().await;
            let onward = cross.location().to_owned();
            assert!(onward.starts_with("/end_session?") && browser.is_signed_in().await, "{onward}");
            assert_eq!(browser.get(&onward).await.location(), AFTER);
            assert!(!browser.is_signed_in().await);
            let (mut browser, tokens) = signed_in(s, "web").await;
            let form =
                [("id_token_hint", hint(&tokens)), ("client_id", "web"), ("post_logout_redirect_uri", AFTER)];
            let response = browser.send(s.post("/end_session").form(&form)).await;
            assert_eq!(response.location(), AFTER);
        });
    }

    #[test]
    fn a_form_without_cookies_is_sent_on_whatever_the_browser_says_of_its_origin() {
        with_server(async |s| {
            for headers in [&[][..], &[("Origin", "null")], &[("Sec-Fetch-Site", "same-site")]] {
                let (mut browser, tokens) = signed_in(s, "web").await;
                let form = [("id_token_hint", hint(&tokens)), ("post_logout_redirect_uri", AFTER)];
                let bare =
                    headers.iter().fold(s.post("/end_session"), |all, (name, value)| all.header(name, value));
                let bare = bare.form(&form).send().await;
                let onward = bare.location().to_owned();
                assert!(onward.starts_with("/end_session?") && browser.is_signed_in().await, "{onward}");
                assert_eq!(browser.get(&onward).await.location(), AFTER);
                assert!(!browser.is_signed_in().await);
            }
        });
    }

    #[test]
    fn what_was_granted_offline_outlives_it_and_the_rest_does_not() {
        with_server(async |s| {
            let (mut browser, tokens) = signed_in(s, "web").await;
            let offline = s.tokens_of(&mut browser, "app", "openid offline_access").await;
            ask(&mut browser, &[("id_token_hint", hint(&tokens))]).await.location();
            s.refresh("web", tokens.refresh()).await.refused(400, "invalid_grant");
            s.refresh("app", offline.refresh()).await.ok();
        });
    }

    #[test]
    fn what_browsers_hold_in_cookies_ends_with_it() {
        with_hosts(async |s| {
            use crate::support::surfer::{MAIN, PAGE};
            let mut surfer = Surfer::signed_in(s).await;
            s.patch_client("web", json!({ "post_logout_redirect_uris": [AFTER] })).await;
            let asked = surfer.get(&format!("{MAIN}{}", request("web").target())).await;
            let code = Redirect::parse(asked.location()).code();
            let tokens = Tokens::of(&s.redeem("web", &code).await);
            surfer.refresh(PAGE).await.ok();
            let target = encode(&[("id_token_hint", hint(&tokens)), ("post_logout_redirect_uri", AFTER)]);
            assert_eq!(surfer.get(&format!("{MAIN}/end_session?{target}")).await.location(), AFTER);
            surfer.refresh(PAGE).await.refused(401, "login_required");
        });
    }
}

mod nobody_is_led_elsewhere {
    use super::*;

    #[test]
    fn an_address_that_is_not_registered_exactly_is_refused_and_nothing_ends() {
        with_server(async |s| {
            let (mut browser, tokens) = signed_in(s, "web").await;
            let added = format!("{AFTER}&foo=bar");
            for bad in [
                "https://attacker.example/",
                &added,
                "https://app.example.com/signed-out",
                "https://app.example.com/signed-out?from=signet#x",
                CALLBACK,
                "javascript:alert(1)",
            ] {
                for params in [
                    vec![("id_token_hint", hint(&tokens)), ("post_logout_redirect_uri", bad), ("state", "x")],
                    vec![("client_id", "web"), ("post_logout_redirect_uri", bad)],
                ] {
                    ask(&mut browser, &params).await.refused(400, "invalid_request");
                }
            }
            assert!(browser.is_signed_in().await);
            // Nor where nobody is signed in.
            let bad = [("id_token_hint", hint(&tokens)), ("post_logout_redirect_uri", &added)];
            ask(&mut Browser::new(s), &bad).await.refused(400, "invalid_request");
        });
    }

    #[test]
    fn a_hint_that_is_not_ours_proves_nothing() {
        with_server(async |s| {
            let (mut browser, tokens) = signed_in(s, "web").await;
            let id = hint(&tokens);
            let payload = id.split('.').nth(1).unwrap();
            let none = base64url(br#"{"alg":"none","typ":"JWT"}"#);
            let head = String::from_utf8(base64url_decode(id.split('.').next().unwrap()).unwrap()).unwrap();
            let unsigned =
                base64url(head.replace(jwt_header(id)["alg"].as_str().unwrap(), "none").as_bytes());
            let other = s.tokens_of(&mut browser, "app", "openid").await;
            let (front, signature) = id.rsplit_once('.').unwrap();
            let foreign = hint(&other).rsplit_once('.').unwrap().1;
            assert_ne!(signature, foreign);
            for bad in [
                format!("{none}.{payload}."),
                format!("{unsigned}.{payload}."),
                format!("{unsigned}.{payload}.{signature}"),
                format!("{front}.{foreign}"),
                front.to_owned(),
                "x".to_owned(),
                // An access token is no ID token.
                tokens.access.clone(),
            ] {
                let params = [
                    ("id_token_hint", bad.as_str()),
                    ("client_id", "web"),
                    ("post_logout_redirect_uri", AFTER),
                    ("state", "x"),
                ];
                let response = ask(&mut browser, &params).await;
                let page = question(&browser, &response).await;
                assert!(!page.html.contains("A web application"), "{}", page.html);
            }
            // Whoever says yes is signed out, and stays here.
            let bad = format!("{unsigned}.{payload}.");
            let params = [("id_token_hint", bad.as_str()), ("post_logout_redirect_uri", AFTER)];
            let response = ask(&mut browser, &params).await;
            let page = question(&browser, &response).await;
            let response = confirm(&mut browser, &page).await;
            is_logged_out_page(&mut browser, &response).await;
        });
    }

    #[test]
    fn without_a_hint_and_a_client_an_address_is_nobodys() {
        with_server(async |s| {
            let (mut browser, _) = signed_in(s, "web").await;
            let params = [("post_logout_redirect_uri", AFTER), ("state", "x")];
            let response = ask(&mut browser, &params).await;
            let page = question(&browser, &response).await;
            let response = confirm(&mut browser, &page).await;
            is_logged_out_page(&mut browser, &response).await;
            let again = ask(&mut browser, &params).await;
            assert_eq!(again.location(), "/logged-out");
        });
    }

    #[test]
    fn a_client_that_is_no_more_leads_nobody_on() {
        with_server(async |s| {
            let (mut browser, tokens) = signed_in(s, "web").await;
            s.disable_client("web").await;
            let params = [("id_token_hint", hint(&tokens)), ("post_logout_redirect_uri", AFTER)];
            let response = ask(&mut browser, &params).await;
            question(&browser, &response).await;
            ask(&mut browser, &[("client_id", "web"), ("post_logout_redirect_uri", AFTER)])
                .await
                .refused(400, "invalid_client");
            ask(&mut browser, &[("client_id", "nobody")]).await.refused(400, "invalid_client");
        });
    }

    #[test]
    fn a_request_that_contradicts_itself_is_refused() {
        with_server(async |s| {
            let (mut browser, tokens) = signed_in(s, "web").await;
            let params = [("id_token_hint", hint(&tokens)), ("client_id", "app")];
            ask(&mut browser, &params).await.refused(400, "invalid_request");
            let twice = format!("/end_session?id_token_hint={0}&id_token_hint={0}", hint(&tokens));
            browser.get(&twice).await.refused(400, "invalid_request");
            assert!(browser.is_signed_in().await);
        });
    }
}

mod the_question {
    use super::*;

    #[test]
    fn comes_first_where_nothing_proves_who_asks() {
        with_server(async |s| {
            for params in
                [vec![], vec![("state", "only")], vec![("logout_hint", "alice"), ("ui_locales", "de")]]
            {
                let (mut browser, _) = signed_in(s, "web").await;
                let response = ask(&mut browser, &params).await;
                let page = question(&browser, &response).await;
                assert!(page.html.contains("<strong>alice</strong>"), "{}", page.html);
                let response = confirm(&mut browser, &page).await;
                is_logged_out_page(&mut browser, &response).await;
            }
        });
    }

    #[test]
    fn a_named_client_is_shown_and_gets_the_browser_back_after_a_yes() {
        with_server(async |s| {
            let (mut browser, _) = signed_in(s, "web").await;
            let params = [("client_id", "web"), ("post_logout_redirect_uri", AFTER), ("state", "a b")];
            let response = ask(&mut browser, &params).await;
            // Chromium applies form-action to the redirect.
            let policy = header(&response, "content-security-policy");
            assert!(policy.contains("form-action 'self' https://app.example.com https:;"), "{policy}");
            let page = question(&browser, &response).await;
            assert!(page.html.contains("A web application asks to sign you out"), "{}", page.html);
            let response = confirm(&mut browser, &page).await;
            assert_eq!(response.location(), format!("{AFTER}&state=a%20b"));
            assert!(!browser.is_signed_in().await);
            // Without anybody to ask and anything that proves who asks, the way on is a link.
            let response = ask(&mut browser, &params).await;
            let html = response.ok().text();
            assert!(html.contains("id=\"continue\"") && !html.contains("http-equiv=\"refresh\""), "{html}");
        });
    }

    #[test]
    fn whoever_says_no_stays_signed_in() {
        with_server(async |s| {
            let (mut browser, _) = signed_in(s, "web").await;
            for action in ["cancel", "", "LOGOUT"] {
                let response = ask(&mut browser, &[]).await;
                let page = question(&browser, &response).await;
                assert_eq!(browser.submit(&page, &[("action", action)]).await.location(), "/account");
                assert!(browser.is_signed_in().await);
            }
        });
    }

    #[test]
    fn comes_where_the_hint_is_of_another_session_or_user() {
        with_server(async |s| {
            let (mut browser, _) = signed_in(s, "web").await;
            let (_, elsewhere) = signed_in(s, "web").await;
            let mut bob = Browser::new(s);
            let code = bob.sign_in(&request("web"), BOB).await.code();
            let bobs = Tokens::of(&s.redeem("web", &code).await);
            for hint in [hint(&elsewhere), hint(&bobs)] {
                let params = [("id_token_hint", hint), ("post_logout_redirect_uri", AFTER)];
                let response = ask(&mut browser, &params).await;
                question(&browser, &response).await;
            }
            assert!(bob.is_signed_in().await);
            let params = [("id_token_hint", hint(&bobs)), ("post_logout_redirect_uri", AFTER)];
            let response = ask(&mut browser, &params).await;
            let page = question(&browser, &response).await;
            assert_eq!(confirm(&mut browser, &page).await.location(), AFTER);
            // What ended is what is here, not what the hint named.
            assert!(!browser.is_signed_in().await && bob.is_signed_in().await);
        });
    }

    #[test]
    fn is_answered_by_its_own_form_only() {
        with_server(async |s| {
            let (mut browser, _) = signed_in(s, "web").await;
            let response = ask(&mut browser, &[("state", "x")]).await;
            let page = question(&browser, &response).await;
            let (other, _) = signed_in(s, "web").await;
            let theirs = ask(&mut other.clone(), &[]).await;
            let theirs = Page::of("/end_session", &theirs).field("csrf").to_owned();
            for forged in [page.clone().with("csrf", "x"), page.clone().with("csrf", &theirs)] {
                let response = confirm(&mut browser, &forged).await;
                assert_eq!(response.status, 403);
            }
            let elsewhere = s.post("/end_session").header("Origin", "https://attacker.example");
            let elsewhere = elsewhere.raw_form(&page.encoded(&[("action", "logout")]));
            assert_eq!(browser.send(elsewhere).await.status, 403);
            let broken = page.clone().with("request", "!");
            assert_eq!(confirm(&mut browser, &broken).await.status, 403);
            // Without a token it is a request like any other.
            let response = confirm(&mut browser, &page.without("csrf")).await;
            question(&browser, &response).await;
        });
    }

    #[test]
    fn does_not_come_where_its_form_could_not_be_taken() {
        with_server(async |s| {
            let (mut browser, _) = signed_in(s, "web").await;
            // Three times as long in the form.
            let query = format!("/end_session?state={}", "!".repeat(10_000));
            browser.get(&query).await.refused(413, "invalid_request");
            let long = "x".repeat(25_000);
            let form = s.post("/end_session").form(&[("state", &long)]);
            browser.send(form).await.refused(413, "invalid_request");
            s.post("/end_session").form(&[("state", &long)]).send().await.refused(413, "invalid_request");
            assert!(browser.is_signed_in().await);
            // One that fits is asked, and can be answered.
            let longest = "x".repeat(16 * 1024 - "state=".len());
            let response = ask(&mut browser, &[("state", &longest)]).await;
            let page = question(&browser, &response).await;
            let response = confirm(&mut browser, &page).await;
            is_logged_out_page(&mut browser, &response).await;
        });
    }

    #[test]
    fn nobody_signed_in_is_no_error() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let response = ask(&mut browser, &[("state", "x")]).await;
            is_logged_out_page(&mut browser, &response).await;
            // A page of another site that loads it in a frame comes without cookies.
            let (browser, tokens) = signed_in(s, "web").await;
            let framed = s.get(&format!("/end_session?{}", encode(&[("id_token_hint", hint(&tokens))])));
            framed.send().await.location();
            assert!(browser.is_signed_in().await);
        });
    }
}

mod what_another_site_makes_a_browser_send {
    use super::*;

    #[test]
    fn comes_without_cookies_and_clears_none() {
        with_server(async |s| {
            for request in [s.get("/end_session"), s.get("/end_session?state=x")] {
                let answer = request.send().await;
                assert_eq!(answer.all("set-cookie").count(), 0, "{}", answer.text());
            }
        });
    }
}
