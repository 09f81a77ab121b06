//! OpenID Connect Back-Channel Logout 1.0: the token, and who is told of what.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use signet::config::sessions::{Change, OverLimit};
use signet::flow::admin::users::{self, UpdateUser};
use signet::flow::logout_notice::{self, LOGOUT_EVENT};
use signet::jose::verification_keys::VerificationKeys;
use signet::model::audit::Origin;
use signet::storage::{Notice, NoticeQuery};
use signet_verify::jose::claims::Expect;
use signet_verify::jose::jws;

use super::*;
use crate::support::neighbour::Seen;

pub(super) const PATH: &str = "/logout?tenant=1";

/// A relying party that takes what it is told, and the client that it is.
pub(super) async fn party(s: &Server, client: &str) -> Neighbour {
    let neighbour = Neighbour::start().await;
    neighbour.serve("/logout", 200, "text/plain", "");
    let change = json!({
        "backchannel_logout_uri": neighbour.url(PATH),
        "backchannel_logout_session_required": true,
    });
    s.patch_client(client, change).await;
    neighbour
}

/// Tells whoever is to be told now, as the background does: how many were tried.
pub(super) async fn tell(node: &Server) -> usize {
    let mut tried = 0;
    loop {
        let notices = logout_notice::claim(&node.op, 32, &[]).await.unwrap();
        if notices.is_empty() {
            return tried;
        }
        tried += notices.len();
        let told = join_all(notices.iter().map(|notice| logout_notice::deliver(&node.op, notice))).await;
        assert!(told.iter().all(Result::is_ok), "{told:?}");
    }
}

pub(super) async fn notices(s: &Server) -> Vec<Notice> {
    s.op.store.notices(&NoticeQuery { limit: 200, ..NoticeQuery::default() }).await.unwrap()
}

/// Which clients are told of which sessions.
pub(super) async fn told(s: &Server) -> BTreeSet<(String, String)> {
    let notices = notices(s).await;
    let pairs: BTreeSet<_> =
        notices.iter().map(|notice| (notice.client.to_string(), notice.session.to_string())).collect();
    assert_eq!(pairs.len(), notices.len(), "a pair came twice");
    pairs
}

pub(super) fn sid(tokens: &Tokens) -> String {
    claims(&tokens.access)["sid"].as_str().unwrap().to_owned()
}

pub(super) fn token(seen: &Seen) -> String {
    let mut form = seen.form();
    let token = form.remove("logout_token").unwrap();
    assert!(form.is_empty(), "{form:?}");
    token
}

pub(super) async fn signed_in<'a>(s: &'a Server, client: &str) -> (Browser<'a>, Tokens) {
    let mut browser = Browser::new(s);
    let tokens = s.tokens_of(&mut browser, client, "openid").await;
    (browser, tokens)
}

mod the_token {
    use super::*;

    #[test]
    fn says_who_and_which_session_for_two_minutes_and_carries_no_nonce() {
        with_server(async |s| {
            let party = party(s, "web").await;
            let (mut browser, tokens) = signed_in(s, "web").await;
            browser.log_out(false).await.location();
            assert_eq!(tell(s).await, 1);
            let requests = party.requests();
            assert_eq!(requests.len(), 1);
            let seen = &requests[0];
            assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", PATH));
            assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
            let token = token(seen);
            let id = claims(tokens.id.as_deref().unwrap());
            let said = claims(&token);
            let names: Vec<_> = said.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(names.len(), 8, "{names:?}");
            assert!(said.get("nonce").is_none());
            assert_eq!((&said["iss"], &said["aud"]), (&json!(s.issuer()), &json!("web")));
            assert_eq!((&said["sub"], &said["sid"]), (&id["sub"], &id["sid"]));
            assert_eq!(said["events"], json!({ LOGOUT_EVENT: {} }));
            assert_eq!(said["iat"], s.now().seconds());
            assert_eq!(said["exp"], s.now().seconds() + 120);
            assert!(said["jti"].as_str().unwrap().len() >= 20);
            let header = jwt_header(&token);
            assert_eq!(header["typ"], "logout+jwt");
            assert_eq!(header["alg"], jwt_header(tokens.id.as_deref().unwrap())["alg"]);
            let jwks = s.get("/.well-known/jwks.json").send().await.body;
            let keys = VerificationKeys::from_jwks(&jwks).unwrap();
            let (typ, audience) = (["logout+jwt"], ["web"]);
            let expect = Expect::new(&typ, s.issuer(), s.now().millis()).audience(&audience);
            jws::verify(&token, &keys, &expect).unwrap();
            // It is good for nothing else: neither as a hint nor as a token.
            assert_eq!(s.get("/userinfo").bearer(&token).send().await.status, 401);
        });
    }

    #[test]
    fn is_signed_as_the_clients_id_tokens_are() {
        with_server(async |s| {
            let party = party(s, "web").await;
            s.patch_client("web", json!({ "id_token_signed_response_alg": "ES256" })).await;
            let (mut browser, _) = signed_in(s, "web").await;
            browser.log_out(false).await.location();
            tell(s).await;
            assert_eq!(jwt_header(&token(&party.requests()[0]))["alg"], "ES256");
        });
    }
}

mod who_is_told {
    use super::*;

    #[test]
    fn the_clients_of_the_session_that_ask_for_it_each_once() {
        with_server(async |s| {
            let (web, app) = (party(s, "web").await, party(s, "app").await);
            let other = party(s, "other").await;
            let (mut browser, tokens) = signed_in(s, "web").await;
            for client in ["app", "web", "app", "post"] {
                s.tokens_of(&mut browser, client, "openid").await;
            }
            let (_elsewhere, _) = signed_in(s, "other").await;
            browser.log_out(false).await.location();
            assert_eq!(tell(s).await, 2);
            assert_eq!((web.requests().len(), app.requests().len(), other.requests().len()), (1, 1, 0));
            assert_eq!(told(s).await.len(), 2);
            assert!(told(s).await.contains(&("web".to_owned(), sid(&tokens))));
            assert_eq!(tell(s).await, 0);
        });
    }

    #[test]
    fn a_page_and_a_classic_application_are_clients_too() {
        with_hosts(async |s| {
            let _party = party(s, "cookie").await;
            let mut surfer = Surfer::signed_in(s).await;
            let page = crate::support::surfer::PAGE;
            let out = surfer.log_out("/session/logout", page).await;
            assert_eq!(out.ok().json(), json!({ "sessions": 1, "families": 1, "codes": 0 }));
            assert_eq!(notices(s).await.len(), 1);
            let mut surfer = Surfer::signed_in(s).await;
            let out = surfer.log_out("/session/logout_all", page).await.ok().json();
            assert_eq!(out["relying_parties"], 1);
            assert_eq!(notices(s).await.len(), 2);
        });
    }

    #[test]
    fn whoever_asks_by_end_session_is_told_as_well() {
        with_server(async |s| {
            let party = party(s, "web").await;
            let (mut browser, tokens) = signed_in(s, "web").await;
            let hint = encode(&[("id_token_hint", tokens.id.as_deref().unwrap())]);
            browser.get(&format!("/end_session?{hint}")).await.location();
            assert_eq!(tell(s).await, 1);
            assert_eq!(claims(&token(&party.requests()[0]))["sid"], sid(&tokens).as_str());
        });
    }

    #[test]
    fn nobody_where_a_session_just_expires_and_nobody_who_is_disabled() {
        with_server(async |s| {
            let _web = party(s, "web").await;
            let _app = party(s, "app").await;
            let (browser, _) = signed_in(s, "web").await;
            s.advance(2 * HOUR);
            assert!(!browser.is_signed_in().await);
            assert_eq!(notices(s).await.len(), 0);
            let (mut browser, _) = signed_in(s, "app").await;
            s.disable_client("app").await;
            browser.log_out(false).await.location();
            assert_eq!(notices(s).await.len(), 0);
        });
    }

    #[test]
    fn a_client_that_no_longer_asks_is_not_told_any_more() {
        with_server(async |s| {
            let party = party(s, "web").await;
            let (mut browser, _) = signed_in(s, "web").await;
            browser.log_out(false).await.location();
            s.patch_client("web", json!({ "backchannel_logout_uri": null })).await;
            assert_eq!(tell(s).await, 1);
            assert_eq!(party.requests().len(), 0);
            assert_eq!(notices(s).await[0].state(), "failed");
        });
    }
}

mod every_end_of_a_session {
    use super::*;

    /// One session of alice at `web` and `app`, and another one elsewhere at `web`; what `end` does of which.
    async fn ended_by(
        s: &Server,
        end: impl AsyncFnOnce(&mut Browser<'_>, &Tokens, &mut Browser<'_>),
    ) -> [bool; 3] {
        let _web = party(s, "web").await;
        let _app = party(s, "app").await;
        let (mut here, tokens) = signed_in(s, "web").await;
        s.tokens_of(&mut here, "app", "openid").await;
        s.advance(SECOND);
        let (mut there, elsewhere) = signed_in(s, "web").await;
        end(&mut here, &tokens, &mut there).await;
        let told = told(s).await;
        let is_told = |client: &str, tokens: &Tokens| told.contains(&(client.to_owned(), sid(tokens)));
        [is_told("web", &tokens), is_told("app", &tokens), is_told("web", &elsewhere)]
    }

    const HERE: [bool; 3] = [true, true, false];
    const EVERYWHERE: [bool; 3] = [true, true, true];
    const THERE: [bool; 3] = [false, false, true];
    const NOWHERE: [bool; 3] = [false, false, false];

    #[test]
    fn by_the_user() {
        with_server(async |s| {
            let told = ended_by(s, async |here, _, _| {
                here.log_out(false).await.location();
            })
            .await;
            assert_eq!(told, HERE);
        });
        with_server(async |s| {
            let told = ended_by(s, async |here, _, _| {
                here.log_out(true).await.location();
            })
            .await;
            assert_eq!(told, EVERYWHERE);
        });
    }

    #[test]
    fn on_the_pages_of_the_account() {
        for (action, expected) in [("one", HERE), ("others", THERE), ("all", EVERYWHERE)] {
            with_server(async |s| {
                let told = ended_by(s, async |here, tokens, _| {
                    let page = here.form("/account/sessions", "sessions-form").await;
                    let session = sid(tokens);
                    let fields = [("action", action), ("session", session.as_str())];
                    here.submit(&page, &fields).await.location();
                })
                .await;
                assert_eq!(told, expected, "{action}");
            });
        }
    }

    #[test]
    fn by_an_operator_who_is_told_how_many_will_be() {
        with_server(async |s| {
            let told = ended_by(s, async |_, tokens, _| {
                assert_eq!(s.end_session(&sid(tokens)).await.relying_parties, 2);
            })
            .await;
            assert_eq!(told, HERE);
        });
        with_server(async |s| {
            let told = ended_by(s, async |_, _, _| {
                assert_eq!(s.log_out_all(ALICE.0).await.relying_parties, 2);
                assert_eq!(s.log_out_all(ALICE.0).await.relying_parties, 0);
            })
            .await;
            assert_eq!(told, EVERYWHERE);
        });
        with_server(async |s| {
            let told = ended_by(s, async |_, _, _| {
                assert_eq!(s.disable_user(ALICE.0).await.relying_parties, 2);
            })
            .await;
            assert_eq!(told, EVERYWHERE);
        });
        with_server(async |s| {
            let told = ended_by(s, async |_, tokens, _| {
                s.set_password(ALICE.0, "an entirely different sentence", Some(&sid(tokens))).await;
            })
            .await;
            assert_eq!(told, THERE);
        });
    }

    #[test]
    fn by_a_new_password_of_ones_own() {
        with_server(async |s| {
            let told = ended_by(s, async |here, _, _| {
                let page = here.form("/account/password", "password-form").await;
                let fields =
                    [("current", ALICE.1), ("new", "twelve green lamps by the door"), ("action", "change")];
                here.submit(&page, &fields).await.location();
            })
            .await;
            assert_eq!(told, THERE);
        });
    }

    #[test]
    fn by_a_lost_role() {
        with_server(async |s| {
            let told = ended_by(s, async |_, _, _| {
                let origin = Origin::default();
                let change = UpdateUser { roles: Some(Vec::new()), ..UpdateUser::default() };
                users::update(&s.op, &s.by(&origin), s.user_id(ALICE.0).await, &change).await.unwrap();
            })
            .await;
            assert_eq!(told, EVERYWHERE);
        });
    }

    #[test]
    fn by_the_limit_and_by_another_user_in_the_same_browser() {
        with_config(
            |config| {
                config.sessions.max_per_user = 2;
                config.sessions.over_limit = OverLimit::EndOldest;
            },
            async |s| {
                let told = ended_by(s, async |_, _, _| {
                    Browser::new(s).sign_in(&request("post"), ALICE).await.code();
                })
                .await;
                assert_eq!(told, HERE);
            },
        );
        with_server(async |s| {
            let told = ended_by(s, async |here, _, _| {
                let page = here.open(&request("post").with("prompt", "login")).await;
                Redirect::parse(here.login(&page, BOB).await.location()).code();
            })
            .await;
            assert_eq!(told, HERE);
        });
    }

    #[test]
    fn by_a_move_where_the_operator_wants_it_so() {
        with_config(
            |config| config.sessions.on_new_browser = Change::End,
            async |s| {
                let told = ended_by(s, async |here, _, _| {
                    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";
                    *here = here.sending(&[("User-Agent", agent)]);
                    let page = here.open(&request("post").with("prompt", "login")).await;
                    here.login(&page, ALICE).await.location();
                    // Somebody else with a copy of the cookies.
                    let other = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0.0.0 Safari/537.36";
                    assert!(!here.sending(&[("User-Agent", other)]).is_signed_in().await);
                })
                .await;
                assert_eq!(told, HERE);
            },
        );
    }

    #[test]
    fn by_theft_as_far_as_that_reaches() {
        for (response, expected) in [("user", EVERYWHERE), ("session", HERE), ("family", NOWHERE)] {
            with_server(async |s| {
                let told = ended_by(s, async |here, _, _| {
                    s.patch_client("app", json!({ "theft_response": response })).await;
                    let first = s.tokens_of(here, "app", "openid").await;
                    let mut newest = first.clone();
                    for _ in 0..2 {
                        s.advance(2 * MINUTE);
                        newest = Tokens::of(&s.refresh("app", newest.refresh()).await);
                    }
                    s.refresh("app", first.refresh()).await.refused(400, "invalid_grant");
                })
                .await;
                assert_eq!(told, expected, "{response}");
            });
        }
    }

    #[test]
    fn but_not_by_taking_back_what_one_application_may_do() {
        with_server(async |s| {
            let told = ended_by(s, async |here, tokens, _| {
                s.revoke("web", tokens.refresh()).await.ok();
                let page = here.form("/account/applications", "revoke").await;
                here.submit(&page, &[("action", "revoke")]).await.location();
            })
            .await;
            assert_eq!(told, NOWHERE);
        });
    }
}
