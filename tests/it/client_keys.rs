//! The keys that clients publish: fetched when they are needed, kept as long as is good, and no oftener asked for
//! (OpenID Connect Core §10.1.1).

use std::sync::Arc;

use futures_util::future::join_all;
use signet::fetch::Behalf;
use signet::flow::admin::clients;
use signet::flow::claimant::Claimant;
use signet::model::client::Client;
use signet::secret::ClientId;

use super::*;

/// A key set with keys of these names.
fn jwks(kids: &[&str]) -> String {
    let key = |kid: &&str| {
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": kid,
                "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
    };
    json!({ "keys": kids.iter().map(key).collect::<Vec<_>>() }).to_string()
}

/// A client with keys of its own.
async fn client_with(s: &Server, keys: (&str, Value)) -> Client {
    let mut metadata = json!({
        "client_name": "A client with keys",
        "token_endpoint_auth_method": "none",
        "redirect_uris": [CALLBACK],
        "scope": "openid",
    });
    metadata[keys.0] = keys.1;
    s.create_client("keyed", metadata).await;
    clients::show(&s.op, &ClientId::from("keyed")).await.unwrap()
}

/// A neighbour that publishes a set, and the client that says so.
async fn publishing(s: &Server, kids: &[&str]) -> (Neighbour, Client) {
    let neighbour = Neighbour::start().await;
    neighbour.serve("/keys", 200, "application/json", jwks(kids));
    let client = client_with(s, ("jwks_uri", json!(neighbour.url("/keys")))).await;
    (neighbour, client)
}

/// Who is said to have signed something.
fn claimant<'a>(client: &'a Client, kid: Option<&'a str>) -> Claimant<'a> {
    Claimant { client, kid, behalf: &Behalf::Operator }
}

/// Whether the set that is had now has a key; an error is `None`.
async fn has(s: &Server, client: &Client, kid: &str) -> Option<bool> {
    let keys = s.op.client_keys.of(&s.op, claimant(client, Some(kid)), s.now()).await;
    keys.ok().map(|keys| keys.has(kid))
}

mod by_value {
    use super::*;

    #[test]
    fn they_are_parsed_once_for_each_version_of_the_client() {
        with_server(async |s| {
            let set: Value = serde_json::from_str(&jwks(&["a"])).unwrap();
            let client = client_with(s, ("jwks", set)).await;
            let first = s.op.client_keys.of(&s.op, claimant(&client, None), s.now()).await.unwrap();
            let second = s.op.client_keys.of(&s.op, claimant(&client, Some("a")), s.now()).await.unwrap();
            assert!(Arc::ptr_eq(&first, &second));
            s.advance(SECOND);
            let other: Value = serde_json::from_str(&jwks(&["b"])).unwrap();
            s.patch_client("keyed", json!({ "jwks": other })).await;
            let client = clients::show(&s.op, &client.id).await.unwrap();
            assert_eq!(has(s, &client, "b").await, Some(true));
            assert_eq!(has(s, &client, "a").await, Some(false));
        });
    }

    #[test]
    fn a_client_without_keys_has_none() {
        with_server(async |s| {
            let client = clients::show(&s.op, &ClientId::from("app")).await.unwrap();
            assert_eq!(has(s, &client, "a").await, None);
        });
    }
}

mod by_reference {
    use super::*;

    #[test]
    fn they_are_fetched_once_and_kept_as_long_as_the_answer_says() {
        with_server(async |s| {
            let (neighbour, client) = publishing(s, &["a"]).await;
            assert_eq!(neighbour.requests(), [], "not before they are needed");
            for _ in 0..3 {
                assert_eq!(has(s, &client, "a").await, Some(true));
            }
            assert_eq!(neighbour.requests().len(), 1);
            s.advance(5 * MINUTE);
            let headers = [("Content-Type", "application/json"), ("Cache-Control", "max-age=1200")];
            neighbour.serve_with("/keys", 200, &headers, jwks(&["b"]));
            assert_eq!(has(s, &client, "b").await, Some(true));
            assert_eq!(neighbour.requests().len(), 2);
            s.advance(20 * MINUTE - SECOND);
            assert_eq!(has(s, &client, "b").await, Some(true));
            assert_eq!(neighbour.requests().len(), 2);
            s.advance(SECOND);
            assert_eq!(has(s, &client, "b").await, Some(true));
            assert_eq!(neighbour.requests().len(), 3);
        });
    }

    #[test]
    fn an_unknown_key_is_looked_for_but_not_oftener_than_every_ten_seconds() {
        with_server(async |s| {
            let (neighbour, client) = publishing(s, &["a"]).await;
            assert_eq!(has(s, &client, "a").await, Some(true));
            neighbour.serve("/keys", 200, "application/json", jwks(&["a", "b"]));
            s.advance(9 * SECOND);
            assert_eq!(has(s, &client, "b").await, Some(false));
            assert_eq!(neighbour.requests().len(), 1);
            s.advance(SECOND);
            assert_eq!(has(s, &client, "b").await, Some(true));
            // Whatever names come in.
            for kid in ["c", "d", "e"] {
                assert_eq!(has(s, &client, kid).await, Some(false));
            }
            assert_eq!(neighbour.requests().len(), 2);
        });
    }

    #[test]
    fn keys_without_names_that_do_not_verify_are_looked_for_again() {
        with_server(async |s| {
            let (neighbour, client) = publishing(s, &["a"]).await;
            let tried = s.op.client_keys.of(&s.op, claimant(&client, None), s.now()).await.unwrap();
            assert!(s.op.client_keys.others(&s.op, claimant(&client, None), &tried, s.now()).await.is_none(), "too early");
            s.advance(10 * SECOND);
            neighbour.serve("/keys", 200, "application/json", jwks(&["b"]));
            let others = s.op.client_keys.others(&s.op, claimant(&client, None), &tried, s.now()).await.unwrap();
            assert!(others.has("b"));
            // Whoever comes with the former ones gets those.
            let again = s.op.client_keys.others(&s.op, claimant(&client, None), &tried, s.now()).await.unwrap();
            assert!(Arc::ptr_eq(&others, &again));
            assert_eq!(neighbour.requests().len(), 2);
        });
    }

    #[test]
    fn all_who_need_them_at_once_wait_for_one_fetch() {
        with_server(async |s| {
            let (neighbour, client) = publishing(s, &["a"]).await;
            let outcomes = join_all((0..20).map(|_| has(s, &client, "a"))).await;
            assert_eq!(outcomes, [Some(true); 20]);
            assert_eq!(neighbour.requests().len(), 1);
        });
    }

    #[test]
    fn where_a_fetch_fails_the_former_ones_serve_for_a_day() {
        with_server(async |s| {
            let (neighbour, client) = publishing(s, &["a"]).await;
            assert_eq!(has(s, &client, "a").await, Some(true));
            s.advance(5 * MINUTE);
            for (status, body) in [(500, jwks(&["b"])), (200, "<html>".to_owned()), (302, String::new())] {
                neighbour.serve("/keys", status, "application/json", body);
                assert_eq!(has(s, &client, "a").await, Some(true), "{status}");
                s.advance(10 * SECOND);
            }
            assert_eq!(neighbour.requests().len(), 4);
            s.advance(DAY - 6 * MINUTE);
            assert_eq!(has(s, &client, "a").await, Some(true));
            s.advance(6 * MINUTE);
            assert_eq!(has(s, &client, "a").await, None);
            neighbour.serve("/keys", 200, "application/json", jwks(&["b"]));
            s.advance(10 * SECOND);
            assert_eq!(has(s, &client, "b").await, Some(true));
        });
    }

    #[test]
    fn where_it_is_answered_that_there_are_none_the_former_ones_serve_for_an_hour() {
        with_server(async |s| {
            let (neighbour, client) = publishing(s, &["a"]).await;
            for status in [404, 410] {
                neighbour.serve("/keys", 200, "application/json", jwks(&["a"]));
                assert_eq!(has(s, &client, "a").await, Some(true));
                s.advance(5 * MINUTE);
                neighbour.serve("/keys", status, "application/json", "");
                assert_eq!(has(s, &client, "a").await, Some(true), "{status}");
                // An outage after that gives no more time.
                s.advance(30 * MINUTE);
                neighbour.serve("/keys", 503, "application/json", "");
                assert_eq!(has(s, &client, "a").await, Some(true));
                s.advance(30 * MINUTE - SECOND);
                assert_eq!(has(s, &client, "a").await, Some(true));
                s.advance(SECOND);
                assert_eq!(has(s, &client, "a").await, None);
                s.advance(10 * SECOND);
            }
        });
    }

    #[test]
    fn a_failure_is_not_repeated_for_ten_seconds() {
        with_server(async |s| {
            let neighbour = Neighbour::start().await;
            let client = client_with(s, ("jwks_uri", json!(neighbour.url("/keys")))).await;
            for _ in 0..5 {
                assert_eq!(has(s, &client, "a").await, None);
            }
            assert_eq!(neighbour.requests().len(), 1);
            neighbour.serve("/keys", 200, "application/json", jwks(&["a"]));
            s.advance(10 * SECOND);
            assert_eq!(has(s, &client, "a").await, Some(true));
        });
    }

    #[test]
    fn a_set_with_a_private_key_is_none() {
        with_server(async |s| {
            let (neighbour, client) = publishing(s, &[]).await;
            let secret = jwks(&["a"]).replace("\"kid\"", "\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\",\"kid\"");
            neighbour.serve("/keys", 200, "application/json", secret);
            assert_eq!(has(s, &client, "a").await, None);
        });
    }

    #[test]
    fn nothing_is_asked_where_a_stranger_must_not_lead_this_server() {
        with_config(
            |config| config.fetch.private_hosts.clear(),
            async |s| {
                let (neighbour, client) = publishing(s, &["a"]).await;
                assert_eq!(has(s, &client, "a").await, None);
                assert_eq!(neighbour.most_at_once(), 0);
            },
        );
    }
}
