//! RFC 7523 §3, OpenID Connect Core §9: what client assertions are verified with.

use signet::oauth::algorithm::Algorithm;

use super::rfc7523::{ask, job};
use super::*;
use crate::support::inside::Inside;
use crate::support::jwt::{Signer, laid_over, under_secret};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

mod s3_keys_of_the_client {
    use super::*;

    #[test]
    fn a_client_changes_its_keys_one_after_another() {
        with_server(async |s| {
            let (old, new) = (Signer::new(Algorithm::Es256, "old"), Signer::new(Algorithm::EdDsa, "new"));
            s.create_client("job", job("private_key_jwt", json!({ "jwks": old.jwks() }))).await;
            for (keys, with_old, with_new) in [
                (vec![old.jwk()], true, false),
                (vec![old.jwk(), new.jwk()], true, true),
                (vec![new.jwk()], false, true),
            ] {
                s.patch_client("job", json!({ "jwks": { "keys": keys } })).await;
                for (signer, good) in [(&old, with_old), (&new, with_new)] {
                    let answer = ask(s, &s.assertion("job", signer)).await;
                    assert_eq!(answer.status, if good { 200 } else { 401 }, "{}", signer.kid);
                }
            }
        });
    }

    #[test]
    fn a_key_that_is_replaced_is_found_under_its_old_name_and_without_one() {
        with_server(async |s| {
            let neighbour = Neighbour::start().await;
            let keys = json!({ "jwks_uri": neighbour.url("/keys") });
            s.create_client("job", job("private_key_jwt", keys)).await;
            let nameless = json!({ "kid": null });
            for change in [json!({}), json!({}), nameless.clone(), nameless] {
                let signer = Signer::new(Algorithm::Es256, "key-1");
                neighbour.serve("/keys", 200, "application/json", signer.jwks().to_string());
                let header = laid_over(&signer.header("JWT"), &change);
                ask(s, &signer.token(&header, &s.assertion_claims("job"))).await.ok();
                s.advance(10 * SECOND);
            }
            let foreign = Signer::new(Algorithm::Es256, "key-1");
            ask(s, &s.assertion("job", &foreign)).await.refused(401, "invalid_client");
        });
    }

    #[test]
    fn the_only_key_needs_no_name_and_two_do() {
        with_server(async |s| {
            let (one, two) = (Signer::new(Algorithm::Es256, "1"), Signer::new(Algorithm::Es256, "2"));
            s.create_client("job", job("private_key_jwt", json!({ "jwks": one.jwks() }))).await;
            let header = laid_over(&one.header("JWT"), &json!({ "kid": null }));
            let nameless = |s: &Server| one.token(&header, &s.assertion_claims("job"));
            ask(s, &nameless(s)).await.ok();
            s.patch_client("job", json!({ "jwks": { "keys": [one.jwk(), two.jwk()] } })).await;
            ask(s, &nameless(s)).await.refused(401, "invalid_client");
            ask(s, &s.assertion("job", &one)).await.ok();
        });
    }
}

mod core_s9_client_secret_jwt {
    use super::*;

    /// An assertion under a secret.
    fn under(s: &Server, client: &str, secret: &str) -> String {
        under_secret(&json!({ "alg": "HS256" }), &s.assertion_claims(client), secret.as_bytes())
    }

    #[test]
    fn a_secret_signs_under_hs256_alone() {
        with_server(async |s| {
            let secret = s.create_client("mac", job("client_secret_jwt", json!({}))).await.unwrap();
            let jwt = under(s, "mac", &secret);
            ask(s, &jwt).await.ok();
            ask(s, &jwt).await.refused(401, "invalid_client");
            for (header, accepted) in [
                (json!({ "alg": "HS256", "typ": "JWT", "kid": "anything" }), true),
                (json!({ "alg": "HS256", "kid": 1 }), false),
                (json!({ "alg": "HS384" }), false),
                (json!({ "alg": "none" }), false),
                (json!({ "alg": "ES256" }), false),
                (json!({ "typ": "JWT" }), false),
                (json!({ "alg": "HS256", "typ": "at+jwt" }), false),
                (json!({ "alg": "HS256", "crit": ["exp"] }), false),
                (json!({ "alg": "HS256", "jwk": { "kty": "oct", "k": "AAAA" } }), false),
            ] {
                let answer = ask(s, &under_secret(&header, &s.assertion_claims("mac"), secret.as_bytes())).await;
                assert_eq!(answer.status, if accepted { 200 } else { 401 }, "{header}");
            }
            for wrong in ["", "ssc_made-up", &secret[4..], &secret.to_uppercase()] {
                ask(s, &under(s, "mac", wrong)).await.refused(401, "invalid_client");
            }
            let good = under(s, "mac", &secret);
            let (content, mac) = good.rsplit_once('.').unwrap();
            for cut in ["", "AA", &mac[..22], &mac[..42]] {
                ask(s, &format!("{content}.{cut}")).await.refused(401, "invalid_client");
            }
            // A hash of the secret, which the database has, is no key.
            let hash = signet::digest::sha256(secret.as_bytes());
            let by_hash =
                under_secret(&json!({ "alg": "HS256" }), &s.assertion_claims("mac"), hash.as_bytes());
            ask(s, &by_hash).await.refused(401, "invalid_client");
            ask(s, &good).await.ok();
        });
    }

    #[test]
    fn a_new_secret_ends_the_old_one_at_once() {
        with_server(async |s| {
            let old = s.create_client("mac", job("client_secret_jwt", json!({}))).await.unwrap();
            let rotated = s.rotate_secret("mac", HOUR).await;
            assert!(rotated.previous_valid_until.is_none());
            ask(s, &under(s, "mac", &old)).await.refused(401, "invalid_client");
            ask(s, &under(s, "mac", rotated.secret.reveal())).await.ok();
        });
    }

    #[test]
    fn a_client_that_comes_to_the_method_gets_a_secret_for_it() {
        with_server(async |s| {
            let old = s.create_client("mac", job("client_secret_basic", json!({}))).await.unwrap();
            let mut inside = Inside::of(s).await;
            let sealed = "SELECT count(*) FROM clients WHERE sealed_secret IS NOT NULL";
            s.patch_client("mac", json!({ "token_endpoint_auth_method": "client_secret_jwt" })).await;
            // Of the old one there is a hash alone.
            ask(s, &under(s, "mac", &old)).await.refused(401, "invalid_client");
            assert_eq!(inside.numbers(sealed).await, [0]);
            let new = s.rotate_secret("mac", HOUR).await.secret.reveal().to_owned();
            ask(s, &under(s, "mac", &new)).await.ok();
            assert_eq!(inside.numbers(sealed).await, [1]);
            // And when it goes on to another, nothing stays that could be opened.
            s.patch_client("mac", json!({ "token_endpoint_auth_method": "client_secret_basic" })).await;
            assert_eq!(inside.numbers(sealed).await, [0]);
            let basic = Auth::Basic("mac".to_owned(), new.clone());
            basic.on(s.post("/token"), &[GRANT]).send().await.ok();
            ask(s, &under(s, "mac", &new)).await.refused(401, "invalid_client");
        });
    }

    #[test]
    fn a_sealed_secret_moved_to_another_client_opens_nothing() {
        with_server(async |s| {
            let secret = s.create_client("mac", job("client_secret_jwt", json!({}))).await.unwrap();
            s.create_client("victim", job("client_secret_jwt", json!({}))).await;
            let mut inside = Inside::of(s).await;
            inside
                .run("UPDATE clients SET sealed_secret = (SELECT sealed_secret FROM clients WHERE client_id = 'mac')
                      WHERE client_id = 'victim'")
                .await;
            s.op.clients.forget();
            inside.run("UPDATE installation SET client_version = client_version + 1").await;
            let answer = ask(s, &under(s, "victim", &secret)).await;
            answer.refused(500, "server_error");
            ask(s, &under(s, "mac", &secret)).await.ok();
        });
    }

    #[test]
    fn the_secret_is_shown_once_and_kept_sealed() {
        with_server(async |s| {
            let secret = s.create_client("mac", job("client_secret_jwt", json!({}))).await.unwrap();
            let key = s.api_key().await;
            for path in ["/admin/v1/clients/mac", "/admin/v1/clients", "/admin/v1/audit"] {
                let shown = s.admin_get(path).bearer(&key).send().await;
                let text = shown.ok().text();
                assert!(!text.contains(&secret) && !text.contains("sealed"), "{path}: {text}");
            }
            let client = s.op.store.client(&"mac".into()).await.unwrap().unwrap();
            let sealed = client.sealed_secret.clone().unwrap();
            assert!(!sealed.windows(8).any(|window| secret.as_bytes().windows(8).any(|part| part == window)));
        });
    }
}
