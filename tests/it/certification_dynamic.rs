//! The OpenID Foundation's certification of a provider: the plan Dynamic and third-party-initiated login, as far as the
//! suite is not asked for anything itself (that is in `certification_fetching`).

use super::certification::{SUITE, id_of, register, try_register, with_certified};
use super::*;

async fn kids(s: &Server) -> Vec<String> {
    let jwks = s.get("/.well-known/jwks.json").send().await.ok().json();
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Asserts an error page.
fn is_page(response: &Response) {
    assert_eq!((response.status, response.header("location")), (400, None), "{response:?}");
}

mod dynamic {
    use super::*;

    #[test]
    fn server() {
        with_certified(async |s| {
            let rp = register(s, json!({})).await;
            assert!(!rp.secret.is_empty() && rp.body["client_secret_expires_at"].is_u64());
            let uri = rp.body["registration_client_uri"].as_str().unwrap();
            let token = rp.body["registration_access_token"].as_str().unwrap();
            let path = uri.strip_prefix(s.issuer()).unwrap();
            let read = s.get(path).bearer(token).send().await.ok().json();
            assert_eq!(read["client_id"], rp.id);
            // What the suite does when it is done.
            assert_eq!(s.request("DELETE", path).bearer(token).send().await.status, 204);
            is_page(&Browser::new(s).authorize(&rp.asked()).await);
        });
    }

    #[test]
    fn registered_without_pkce_and_scope_it_can_ask_for_what_the_plans_need() {
        with_certified(async |s| {
            let grants = json!({ "grant_types": ["authorization_code", "refresh_token"] });
            let rp = register(s, grants).await;
            let scope = "openid profile email address phone offline_access";
            let asked = rp.asked().with("scope", scope).with("prompt", "consent");
            let tokens = rp.tokens(s, &mut Browser::new(s), &asked).await;
            assert!(tokens.refresh.is_some());
        });
    }

    #[test]
    fn idtoken_rs256() {
        with_certified(async |s| {
            let rp = register(s, json!({ "id_token_signed_response_alg": "RS256" })).await;
            let tokens = rp.tokens(s, &mut Browser::new(s), &rp.asked()).await;
            assert_eq!(jwt_header(tokens.id.as_deref().unwrap())["alg"], "RS256");
        });
    }

    #[test]
    fn userinfo_rs256() {
        with_certified(async |s| {
            let rp = register(s, json!({ "userinfo_signed_response_alg": "RS256" })).await;
            let tokens = rp.tokens(s, &mut Browser::new(s), &rp.asked()).await;
            let answer = s.userinfo(&tokens.access).await;
            assert_eq!(header(answer.ok(), "content-type"), "application/jwt");
            let (head, claims) = (jwt_header(&answer.text()), claims(&answer.text()));
            assert_eq!(head["alg"], "RS256");
            assert_eq!((&claims["iss"], &claims["aud"]), (&json!(s.issuer()), &json!(rp.id)));
            assert_eq!((&claims["sub"], claims.get("nonce")), (&id_of(&tokens)["sub"], None));
        });
    }

    #[test]
    fn ensure_redirect_uri_in_authorization_request() {
        with_certified(async |s| {
            let two = json!({ "redirect_uris": [SUITE, format!("{SUITE}2")] });
            let rp = register(s, two).await;
            is_page(&Browser::new(s).authorize(&rp.asked().without("redirect_uri")).await);
        });
    }

    #[test]
    fn redirect_uri_query_ok_query_mismatch_and_query_added() {
        with_certified(async |s| {
            let with_query = format!("{SUITE}?foo=bar");
            let rp = register(s, json!({ "redirect_uris": [with_query] })).await;
            let answer = Browser::new(s).sign_in(&rp.asked().with("redirect_uri", &with_query), ALICE).await;
            assert_eq!((answer.uri.as_str(), answer.get("foo")), (SUITE, Some("bar")));
            assert!(answer.get("code").is_some());
            let mismatch = rp.asked().with("redirect_uri", &format!("{SUITE}?bar=foo"));
            is_page(&Browser::new(s).authorize(&mismatch).await);
            let plain = register(s, json!({})).await;
            let added = plain.asked().with("redirect_uri", &with_query);
            is_page(&Browser::new(s).authorize(&added).await);
        });
    }

    #[test]
    fn redirect_uri_regfrag() {
        with_certified(async |s| {
            let refused = try_register(s, json!({ "redirect_uris": [format!("{SUITE}#foobar")] })).await;
            refused.refused(400, "invalid_redirect_uri");
        });
    }

    #[test]
    fn registration_logo_uri_policy_uri_and_tos_uri() {
        with_certified(async |s| {
            let address = |name: &str| format!("https://openid.net/{name}");
            let rp = register(
                s,
                json!({ "logo_uri": address("logo.png"), "policy_uri": address("policy"),
                    "tos_uri": address("tos") }),
            )
            .await;
            let page = Browser::new(s).open(&rp.asked()).await;
            for (id, name) in
                [("client-logo", "logo.png"), ("client-policy", "policy"), ("client-tos", "tos")]
            {
                assert!(page.html.contains(&format!("id=\"{id}\"")), "{id}: {}", page.html);
                let shown = page.html.replace("&#x2f;", "/");
                assert!(shown.contains(&address(name)), "{name}: {shown}");
            }
        });
    }

    #[test]
    fn registration_sector_needs_a_document_where_hosts_differ() {
        with_certified(async |s| {
            let uris = json!([SUITE, "https://other.example.com/callback"]);
            let refused = try_register(s, json!({ "subject_type": "pairwise", "redirect_uris": uris })).await;
            refused.refused(400, "invalid_client_metadata");
            let one = register(s, json!({ "subject_type": "pairwise" })).await;
            let all = register(s, json!({})).await;
            let mut browser = Browser::new(s);
            let known = id_of(&one.tokens(s, &mut browser, &one.asked()).await);
            let public = id_of(&all.tokens(s, &mut browser, &all.asked()).await);
            assert_ne!(known["sub"], public["sub"]);
        });
    }

    #[test]
    fn server_rotate_keys_again_and_again() {
        with_certified(async |s| {
            let rotate = async || {
                let origin = signet::model::audit::Origin::default();
                let which = signet::flow::admin::keys::Which::All;
                signet::flow::admin::keys::rotate(&s.op, &s.by(&origin), &which).await.unwrap()
            };
            let rp = register(s, json!({})).await;
            let mut browser = Browser::new(s);
            for round in 1..=3 {
                let before = kids(s).await;
                let made = rotate().await;
                let after = kids(s).await;
                assert!(made.under_way.is_empty() && made.created.len() > 1, "{round}");
                assert!(made.created.iter().all(|key| after.contains(&key.kid.0)), "{round}");
                assert!(before.iter().filter(|kid| after.contains(kid)).count() >= made.retiring.len());
                // One more while this one is under way makes nothing, and tells of what is on its way.
                let again = rotate().await;
                assert!(again.created.is_empty() && again.retiring.is_empty(), "{round}");
                assert_eq!(again.under_way, made.created, "{round}");
                assert_eq!(again.under_way[0].activates_at, s.now().plus(15 * MINUTE));
                assert_eq!(kids(s).await, after);
                s.advance(15 * MINUTE);
                let tokens = rp.tokens(s, &mut browser, &rp.asked()).await;
                let signer = jwt_header(tokens.id.as_deref().unwrap())["kid"].clone();
                assert!(made.created.iter().any(|key| signer == key.kid.0), "{round}");
            }
        });
    }

    #[test]
    fn server_rotate_keys_of_a_running_server_by_the_command_line() {
        use crate::support::process::{Address, Process};
        super::super::crash::with_program(async |folder, address: &Address, url| {
            let process = Process::start(folder, address, url, "info");
            let kids = async || {
                let jwks = address.get("/.well-known/jwks.json").send().await.ok().json();
                jwks["keys"].as_array().unwrap().len()
            };
            let before = kids().await;
            let said = Process::command(folder, &["keys", "rotate", "--json"]);
            serde_json::from_str::<Value>(&said).unwrap();
            // Each node looks at the keys every second.
            let seen = tokio::time::timeout(MINUTE, async {
                while kids().await == before {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            });
            seen.await.expect("the new keys");
            let again = Process::command(folder, &["keys", "rotate"]);
            assert!(again.contains("is under way: key ") && again.contains("signs from "), "{again}");
            assert!(again.contains("Rotate again after that.") && !again.contains("Made "), "{again}");
            let again = Process::command(folder, &["keys", "rotate", "--json"]);
            let again: Value = serde_json::from_str(&again).unwrap();
            assert_eq!(
                (again["created"].as_array().unwrap().len(), &again["under_way"][0]["state"]),
                (0, &json!("pending"))
            );
            drop(process);
        });
    }
}

mod third_party {
    use super::*;

    const BEGIN: &str = "https://localhost.emobix.co.uk:8443/test/a/signet/initiate";

    #[test]
    fn third_party_init_login() {
        with_certified(async |s| {
            let rp = register(s, json!({ "initiate_login_uri": BEGIN })).await;
            assert_eq!(rp.body["initiate_login_uri"], BEGIN);
            let path = rp.body["registration_client_uri"].as_str().unwrap().strip_prefix(s.issuer()).unwrap();
            let token = rp.body["registration_access_token"].as_str().unwrap();
            let read = s.get(path).bearer(token).send().await.ok().json();
            assert_eq!(read["initiate_login_uri"], BEGIN);
            // By which whoever drives the suite begins.
            let mut browser = Browser::new(s);
            rp.code(&mut browser, &rp.asked()).await;
            assert!(browser.get("/account/applications").await.text().contains("id=\"open-1\""));
        });
    }

    #[test]
    fn third_party_init_login_nohttps() {
        with_certified(async |s| {
            for plain in [BEGIN.replacen("https", "http", 1), "http://localhost:8443/initiate".to_owned()] {
                let refused = try_register(s, json!({ "initiate_login_uri": plain })).await;
                refused.refused(400, "invalid_client_metadata");
            }
        });
    }
}
