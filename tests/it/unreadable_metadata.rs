//! U+0000 in what clients say of themselves. PostgreSQL reads no JSON that speaks of it: it is taken from nobody, and no
//! client that has it all the same keeps anything from ending.

use std::collections::BTreeSet;

use signet::oauth::algorithm::Algorithm;

use super::backchannel_logout::{party, sid, signed_in, told};
use super::*;
use crate::support::inside::Inside;
use crate::support::jwt::Signer;
use crate::support::registrar::{asking, metadata, open};

/// Members that hide `text` where nobody looks at what it says.
fn hidden(text: &str) -> Vec<Value> {
    let signer = Signer::new(Algorithm::Es256, "k");
    let (mut name, mut beside) = (signer.jwk(), signer.jwk());
    name[format!("name{text}")] = json!(1);
    beside["more"] = json!([{ "deep": text }]);
    let mut set = signer.jwks();
    set["note"] = json!(format!("a{text}b"));
    vec![
        json!({ "request_uris": [format!("https://app.example.com/request#a{text}b")] }),
        json!({ "jwks": { "keys": [name] } }),
        json!({ "jwks": { "keys": [beside] } }),
        json!({ "jwks": set }),
    ]
}

/// Metadata that nobody may register, and those beside them that anybody may.
fn refused_and_taken() -> (Vec<Value>, Vec<Value>) {
    let (mut refused, mut taken) = (hidden("\0"), hidden("0"));
    for bad in ["RS256\0", "\0", "", "none", "rs256", "RS256 "] {
        refused.push(json!({ "token_endpoint_auth_signing_alg": bad }));
    }
    for bad in [" ", "ä", "%", "%00", "%0a", "#", "\\", "*"] {
        refused.push(json!({ "request_uris": [format!("https://app.example.com/request#{bad}")] }));
    }
    for good in ["RS256", "ES512", "HS256", "EdDSA"] {
        taken.push(json!({ "token_endpoint_auth_signing_alg": good }));
    }
    taken.push(json!({ "request_uris": ["https://app.example.com/request#GkurKxf5T0Y-mnPFCHqWOMiZi4VS138cQO_V7PZHAdM"] }));
    (refused, taken)
}

mod nobody_registers_it {
    use super::*;

    #[test]
    fn by_dynamic_registration() {
        let plenty = |config: &mut Config| {
            open(config);
            config.throttle.address_burst = 100_000;
        };
        with_config(plenty, async |s| {
            let (bad, good) = refused_and_taken();
            let client = s.register(&metadata(json!({ "client_name": "Shop" }))).await;
            let configuring = |more: &Value| {
                s.configuring("PUT", &client.id, &client.token).json(&metadata(more.clone()))
            };
            for more in bad {
                s.registering(&metadata(more.clone())).send().await.refused(400, "invalid_client_metadata");
                configuring(&more).send().await.refused(400, "invalid_client_metadata");
            }
            let shown = s.configuring("GET", &client.id, &client.token).send().await.ok().json();
            assert_eq!(shown["client_name"], "Shop");
            for more in good {
                s.register(&metadata(more.clone())).await;
                configuring(&more).send().await.ok();
            }
        });
    }

    #[test]
    fn by_a_document() {
        with_config(|config| config.registration.metadata_documents = true, async |s| {
            let neighbour = Neighbour::start().await;
            let at = |number: usize, more: &Value| {
                let id = neighbour.url(&format!("/{number}.json"));
                let mut document = json!({ "client_id": id, "token_endpoint_auth_method": "none" });
                document.as_object_mut().unwrap().extend(metadata(more.clone()).as_object().unwrap().clone());
                neighbour.serve(&format!("/{number}.json"), 200, "application/json", document.to_string());
                id
            };
            let (bad, good) = refused_and_taken();
            let first_good = bad.len();
            for (number, more) in bad.iter().enumerate() {
                let answer = Browser::new(s).authorize(&asking(&at(number, more), "openid")).await;
                answer.refused(400, "invalid_client");
            }
            for (number, more) in good.iter().enumerate() {
                let id = at(first_good + number, more);
                let answer = Browser::new(s).authorize(&asking(&id, "openid")).await;
                assert!(answer.location().starts_with("/login"), "{more}: {}", answer.text());
            }
        });
    }

    #[test]
    fn by_an_operator() {
        with_server(async |s| {
            let (bad, good) = refused_and_taken();
            let patch = async |more: Value| {
                let call = s.administering("PATCH", "/clients/app").await;
                let call = call.header("Content-Type", "application/merge-patch+json");
                call.body(more.to_string().as_bytes()).send().await
            };
            for more in bad {
                let answer = patch(more.clone()).await;
                assert_eq!(answer.status, 422, "{more}: {}", answer.text());
                let mut new = metadata(more.clone());
                new["client_id"] = json!("new");
                let answer = s.administering("POST", "/clients").await.json(&new).send().await;
                assert_eq!(answer.status, 422, "{more}: {}", answer.text());
            }
            assert!(!s.has_client("new").await);
            for more in good {
                patch(more).await.ok();
            }
        });
    }
}

/// What a client row held before anybody looked for it.
async fn poisoned(s: &Server) {
    let uri = "https://app.example.com/request#HERE";
    let more = json!({ "request_uris": [uri], "scope": "openid read", "first_party": true });
    s.create_client("poison", metadata(more)).await;
    let sql = r"UPDATE clients SET metadata = replace(metadata, '#HERE', '#\u0000') WHERE client_id = 'poison'";
    let mut inside = Inside::of(s).await;
    inside.run(sql).await;
    let count = r"SELECT CAST(count(*) AS BIGINT) FROM clients WHERE metadata LIKE '%#_u0000%'";
    assert_eq!(inside.numbers(count).await, [1]);
}

mod one_that_is_there {
    use super::*;

    #[test]
    fn keeps_nothing_from_ending() {
        with_server(async |s| {
            poisoned(s).await;
            let _party = party(s, "web").await;
            let mut expected = BTreeSet::new();
            let mut open = async || {
                let (mut browser, tokens) = signed_in(s, "web").await;
                browser.silently(&request("poison")).await.code();
                expected.insert(("web".to_owned(), sid(&tokens)));
                (browser, tokens)
            };
            let (mut browser, _) = open().await;
            browser.log_out(false).await.location();
            let (_, tokens) = open().await;
            assert_eq!(s.end_session(&sid(&tokens)).await.ended.sessions, 1);
            open().await;
            assert_eq!(s.log_out_all(ALICE.0).await.ended.sessions, 1);
            open().await;
            s.set_password(ALICE.0, ALICE.1, None).await;
            open().await;
            assert_eq!(s.disable_user(ALICE.0).await.ended.sessions, 1);
            assert_eq!(told(s).await, expected);
        });
    }

    #[test]
    fn keeps_no_api_from_being_deleted_and_can_be_changed_disabled_and_deleted() {
        with_server(async |s| {
            poisoned(s).await;
            s.create_api("https://orders.example.com", json!({})).await;
            let path = "/apis/https%3A%2F%2Forders.example.com";
            assert_eq!(s.administering("DELETE", path).await.send().await.status, 204);
            s.disable_client("poison").await;
            s.enable_client("poison").await;
            s.patch_client("poison", json!({ "request_uris": [] })).await;
            s.delete_client("poison").await;
        });
    }

    #[test]
    fn is_read_by_the_migration() {
        with_server(async |s| {
            poisoned(s).await;
            let _party = party(s, "web").await;
            // A backslash before it: no U+0000, and it stays JSON.
            s.patch_client("other", json!({ "client_uri": "https://app.example.com/HERE" })).await;
            let mut inside = Inside::of(s).await;
            let sql = r"UPDATE clients SET metadata = replace(metadata, '/HERE', '/\\u0000') WHERE client_id = 'other'";
            inside.run(sql).await;
            let (script, none) = match s.backend {
                Backend::Postgres => (include_str!("../../migrations/postgres/0004_openid_connect.sql"), "{}"),
                Backend::Sqlite => (include_str!("../../migrations/sqlite/0004_openid_connect.sql"), "[]"),
            };
            let begins = if s.backend == Backend::Postgres { "WITH said" } else { "UPDATE clients SET" };
            let fill = &script[script.find(begins).unwrap()..];
            let fill = &fill[..=fill.find(';').unwrap()];
            let names = "SELECT CAST(count(*) AS BIGINT) FROM clients WHERE backchannel_logout UNION ALL
                SELECT CAST(count(*) AS BIGINT) FROM clients WHERE CAST(audience AS TEXT) LIKE '%stranger%' UNION ALL
                SELECT CAST(count(*) AS BIGINT) FROM clients WHERE CAST(audience AS TEXT) = ";
            let names = format!("{names}'{none}'");
            let before = inside.numbers(&names).await;
            assert_eq!(before[..2], [1, 1], "{before:?}");
            inside.run(&format!("UPDATE clients SET backchannel_logout = FALSE, audience = '{none}'")).await;
            inside.run(fill).await;
            assert_eq!(inside.numbers(&names).await, before);
        });
    }
}
