//! What strangers make this server ask takes nothing from others (R-039): of the places, of a host's good name, of what a
//! client signs in with; and what could not be asked for is nobody's fault.

use signet::config::Cidr;
use signet::oauth::algorithm::Algorithm;
use tokio::task::JoinSet;

use super::backchannel_logout::{PATH, party, signed_in, tell};
use super::rfc7523::{ask, job};
use super::*;
use crate::support::inside::Inside;
use crate::support::jwt::{Signer, asserting, laid_over};
use crate::support::registrar::{metadata, open};

const JSON: &str = "application/json";
const KEYS: &str = "/keys";

/// Anybody may register, requests come through a proxy, and who waits for an answer waits for long.
fn patient(config: &mut Config) {
    open(config);
    config.registration.metadata_documents = true;
    config.http.trusted_proxies = vec![Cidr { address: [127, 0, 0, 1].into(), prefix: 32 }];
    config.fetch.timeout_ms = 30_000;
}

/// The same, where nobody waits for long.
fn hasty(config: &mut Config) {
    patient(config);
    config.fetch.timeout_ms = 600;
}

/// A client that has registered itself, with request objects at these places.
async fn signing_by_reference(s: &Server, uris: &[String]) -> String {
    s.register(&metadata(json!({ "request_uris": uris }))).await.id
}

/// A request by reference, from an address.
fn referring(s: &Server, client: &str, uri: &str, from: &str) -> Request {
    let asked = Asked(Vec::new()).with("client_id", client).with("response_type", "code");
    let asked = asked.with("redirect_uri", CALLBACK).with("request_uri", uri);
    s.get(&asked.target()).header("X-Forwarded-For", from)
}

/// A client that has registered itself and signs, with this more.
async fn signing(s: &Server, more: Value) -> String {
    let method = json!({ "token_endpoint_auth_method": "private_key_jwt" });
    s.register(&metadata(laid_over(&method, &more))).await.id
}

/// A request that costs an assertion, and nothing else.
fn revoking(s: &Server, assertion: &str) -> Request {
    asserting(s.post("/revoke"), &[("token", "garbage")], assertion)
}

/// What waits for hosts that do not answer; it ends with them.
struct Waiting {
    traps: Vec<Neighbour>,
    requests: JoinSet<Response>,
}

/// Takes all places that a network may have, for hosts that do not answer.
async fn exhaust(s: &Server, network: &str) -> Waiting {
    let (mut traps, mut requests) = (Vec::new(), JoinSet::new());
    for _ in 0..2 {
        let trap = Neighbour::start().await;
        trap.hang("/r");
        let client = signing_by_reference(s, &[trap.url("/r")]).await;
        for _ in 0..2 {
            let request = referring(s, &client, &trap.url("/r"), network);
            requests.spawn(async move { request.send().await });
        }
        trap.wait_for(2).await;
        traps.push(trap);
    }
    Waiting { traps, requests }
}

impl Waiting {
    /// Ends it: the hosts are gone.
    async fn end(mut self) {
        self.traps.clear();
        while self.requests.join_next().await.is_some() {}
    }
}

mod places {
    use super::*;

    #[test]
    fn strangers_wait_among_themselves() {
        with_config(patient, async |s| {
            let (party, keys) = (party(s, "web").await, Neighbour::start().await);
            let signer = Signer::new(Algorithm::Es256, "k1");
            keys.serve(KEYS, 200, JSON, signer.jwks().to_string());
            s.create_client("job", job("private_key_jwt", json!({ "jwks_uri": keys.url(KEYS) }))).await;
            let (mut browser, _) = signed_in(s, "web").await;
            // More than there are places, from many networks, to many hosts.
            let (mut traps, mut requests) = (Vec::new(), JoinSet::new());
            for number in 0..12 {
                let trap = Neighbour::start().await;
                trap.hang("/r");
                let client = signing_by_reference(s, &[trap.url("/r")]).await;
                for network in 0..3 {
                    let from = format!("192.0.2.{}", number * 3 + network);
                    let request = referring(s, &client, &trap.url("/r"), &from);
                    requests.spawn(async move { request.send().await });
                }
                if number < 4 {
                    trap.wait_for(2).await;
                }
                traps.push(trap);
            }
            let began = signet::clock::monotonic_now();
            browser.log_out(false).await.location();
            assert_eq!(tell(s).await, 1);
            assert_eq!(party.requests().len(), 1);
            ask(s, &s.assertion("job", &signer)).await.ok();
            assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
            let at_once: usize = traps.iter().map(Neighbour::most_at_once).sum();
            assert_eq!(at_once, 8, "a quarter");
            requests.shutdown().await;
        });
    }

    #[test]
    fn one_network_takes_nothing_from_the_next() {
        with_config(patient, async |s| {
            let waiting = exhaust(s, "192.0.2.1").await;
            let good = Neighbour::start().await;
            let client = signing_by_reference(s, &[good.url("/r")]).await;
            let answer = referring(s, &client, &good.url("/r"), "192.0.2.1").send().await;
            answer.refused(503, "temporarily_unavailable");
            assert!(good.requests().is_empty());
            // It is asked, and answers that there is nothing.
            let answer = referring(s, &client, &good.url("/r"), "192.0.2.2").send().await;
            answer.refused(400, "invalid_request_uri");
            assert_eq!(good.requests().len(), 1);
            waiting.end().await;
            let answer = referring(s, &client, &good.url("/r"), "192.0.2.1").send().await;
            answer.refused(400, "invalid_request_uri");
        });
    }

    #[test]
    fn a_client_that_registered_itself_is_told_of_a_logout_all_the_same() {
        with_config(patient, async |s| {
            let party = Neighbour::start().await;
            party.serve("/logout", 200, "text/plain", "");
            let uri = json!({ "backchannel_logout_uri": party.url(PATH), "scope": "openid" });
            let client = s.register(&metadata(uri)).await;
            let mut browser = Browser::new(s);
            browser.sign_in(&request(&client.id).with("scope", "openid"), ALICE).await.code();
            let _waiting = [exhaust(s, "192.0.2.1").await, exhaust(s, "192.0.2.2").await];
            let code = browser.silently(&request(&client.id).with("scope", "openid")).await.code();
            let auth = Auth::Basic(client.id.clone(), client.secret.clone().unwrap());
            auth.on(s.post("/token"), &redemption(&code)).send().await.ok();
            browser.log_out(false).await.location();
            assert_eq!(tell(s).await, 1);
            assert_eq!(party.requests().len(), 1);
        });
    }
}

mod hosts {
    use super::*;

    #[test]
    fn a_stranger_cannot_make_a_host_rest_for_others() {
        with_config(hasty, async |s| {
            let party = party(s, "web").await;
            party.drip("/drip", b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), Duration::from_millis(20));
            party.hang("/silence");
            let (drip, silence) = (party.url("/drip"), party.url("/silence"));
            let client = signing_by_reference(s, &[drip.clone(), silence.clone()]).await;
            // What has begun to answer is there, for strangers, too.
            for asked in 1..=6 {
                let answer = referring(s, &client, &drip, "192.0.2.1").send().await;
                answer.refused(503, "temporarily_unavailable");
                assert_eq!(party.requests().len(), asked);
            }
            for _ in 0..6 {
                let answer = referring(s, &client, &silence, "192.0.2.1").send().await;
                answer.refused(503, "temporarily_unavailable");
            }
            assert_eq!(party.requests().len(), 6 + 5, "then it rests for them");
            let (mut browser, _) = signed_in(s, "web").await;
            browser.log_out(false).await.location();
            assert_eq!(tell(s).await, 1);
            assert_eq!(party.requests().len(), 6 + 5 + 1);
        });
    }
}

mod faults {
    use super::*;

    #[test]
    fn an_assertion_whose_key_cannot_be_asked_for_is_not_refused_and_works_a_moment_later() {
        with_config(patient, async |s| {
            let (signer, keys) = (Signer::new(Algorithm::Es256, "k1"), Neighbour::start().await);
            keys.serve(KEYS, 200, JSON, signer.jwks().to_string());
            let client = signing(s, json!({ "jwks_uri": keys.url(KEYS) })).await;
            let waiting = exhaust(s, "127.0.0.1").await;
            let assertion = s.assertion(&client, &signer);
            for _ in 0..2 {
                let answer = revoking(s, &assertion).send().await;
                answer.refused(503, "temporarily_unavailable");
                assert!(answer.header("retry-after").is_some());
            }
            assert!(keys.requests().is_empty());
            waiting.end().await;
            revoking(s, &assertion).send().await.ok();
            revoking(s, &assertion).send().await.refused(401, "invalid_client");
        });
    }

    #[test]
    fn keys_that_are_not_answered_are_no_refusal_and_keys_that_are_not_there_are() {
        with_config(hasty, async |s| {
            let (signer, keys) = (Signer::new(Algorithm::Es256, "k1"), Neighbour::start().await);
            keys.hang(KEYS);
            s.create_client("job", job("private_key_jwt", json!({ "jwks_uri": keys.url(KEYS) }))).await;
            let assertion = s.assertion("job", &signer);
            // The second is not asked for again so soon; the answer stays the same.
            for _ in 0..2 {
                let answer = ask(s, &assertion).await;
                answer.refused(503, "temporarily_unavailable");
                assert!(answer.header("retry-after").is_some());
            }
            assert_eq!(keys.requests().len(), 1);
            s.advance(10 * SECOND);
            keys.serve(KEYS, 404, JSON, "");
            for _ in 0..2 {
                ask(s, &assertion).await.refused(401, "invalid_client");
            }
            s.advance(10 * SECOND);
            keys.serve(KEYS, 200, JSON, signer.jwks().to_string());
            ask(s, &assertion).await.ok();
        });
    }

    #[test]
    fn a_metadata_document_that_nobody_could_be_asked_for_is_asked_for_as_soon_as_somebody_can() {
        with_config(patient, async |s| {
            let neighbour = Neighbour::start().await;
            let id = neighbour.url("/app.json");
            let document = json!({ "client_id": id, "redirect_uris": [CALLBACK] });
            neighbour.serve("/app.json", 200, JSON, document.to_string());
            let asked = s.get(&request(&id).with("scope", "openid").target());
            let waiting = exhaust(s, "127.0.0.1").await;
            asked.send().await.refused(503, "temporarily_unavailable");
            assert!(neighbour.requests().is_empty());
            waiting.end().await;
            assert!(asked.send().await.location().starts_with("/login"));
        });
    }

    #[test]
    fn a_request_object_that_is_not_answered_is_no_refusal() {
        with_config(hasty, async |s| {
            let host = Neighbour::start().await;
            host.hang("/r");
            let metadata = json!({ "token_endpoint_auth_method": "none", "redirect_uris": [CALLBACK],
                "scope": "openid", "request_uris": [host.url("/r")] });
            s.create_client("signing", metadata).await;
            let answer = referring(s, "signing", &host.url("/r"), "192.0.2.1").send().await;
            assert_eq!(Redirect::parse(answer.location()).get("error"), Some("temporarily_unavailable"));
        });
    }
}

mod assertions {
    use super::*;

    const ROWS: &str = "SELECT count(*) FROM used_assertion";

    #[test]
    fn of_a_client_that_registered_itself_are_sixty_at_once_and_then_one_a_second() {
        with_config(patient, async |s| {
            let signer = Signer::new(Algorithm::EdDsa, "k1");
            let client = signing(s, json!({ "jwks": signer.jwks() })).await;
            let mut inside = Inside::of(s).await;
            for _ in 0..60 {
                revoking(s, &s.assertion(&client, &signer)).send().await.ok();
            }
            let last = s.assertion(&client, &signer);
            for _ in 0..3 {
                let answer = revoking(s, &last).send().await;
                answer.refused(503, "temporarily_unavailable");
                assert!(answer.header("retry-after").is_some());
            }
            assert_eq!(inside.numbers(ROWS).await, [60]);
            // Another one has its own, and an operator's as many as it needs.
            let other = signing(s, json!({ "jwks": signer.jwks() })).await;
            revoking(s, &s.assertion(&other, &signer)).send().await.ok();
            s.create_client("job", job("private_key_jwt", json!({ "jwks": signer.jwks() }))).await;
            for _ in 0..62 {
                revoking(s, &s.assertion("job", &signer)).send().await.ok();
            }
            s.advance(SECOND);
            revoking(s, &last).send().await.ok();
            revoking(s, &s.assertion(&client, &signer)).send().await.refused(503, "temporarily_unavailable");
        });
    }

    #[test]
    fn of_a_client_that_registered_itself_are_good_for_five_minutes_at_most() {
        with_config(patient, async |s| {
            let signer = Signer::new(Algorithm::EdDsa, "k1");
            let client = signing(s, json!({ "jwks": signer.jwks() })).await;
            s.create_client("job", job("private_key_jwt", json!({ "jwks": signer.jwks() }))).await;
            let now = s.now().seconds();
            for (client, ahead, status) in [(client.as_str(), 300, 200), (&client, 320, 401), ("job", 320, 200)] {
                let claims = laid_over(&s.assertion_claims(client), &json!({ "exp": now + ahead }));
                let answer = revoking(s, &signer.token(&signer.header("JWT"), &claims)).send().await;
                assert_eq!(answer.status, status, "{client} {ahead}: {}", answer.text());
            }
        });
    }
}
