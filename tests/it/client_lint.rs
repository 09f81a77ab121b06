//! `signet client lint` (docs/client-lint.md): what the database knows of a client's use, and the command itself.

use signet::flow::admin::lint;
use signet::secret::ClientId;

use super::*;
use crate::support::process::{Address, Process};

async fn rules(s: &Server, client: &str) -> Vec<&'static str> {
    let linted = lint::one(&s.op, &ClientId::from(client), None, s.now()).await.unwrap();
    linted.findings.iter().map(|finding| finding.rule).collect()
}

mod what_is_open {
    use super::*;

    #[test]
    fn a_client_is_unused_while_nobody_is_signed_in_with_it() {
        with_server(async |s| {
            assert!(!rules(s, "app").await.contains(&"unused"), "it is new");
            s.advance(31 * DAY);
            assert!(rules(s, "app").await.contains(&"unused"));
            let tokens = s.tokens("app").await;
            assert!(!rules(s, "app").await.contains(&"unused"));
            assert!(rules(s, "other").await.contains(&"unused"), "another client's use is its own");
            s.revoke("app", tokens.refresh()).await.ok();
            assert!(rules(s, "app").await.contains(&"unused"));
        });
    }

    #[test]
    fn a_scope_is_wide_where_nothing_open_has_all_of_it() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            s.tokens_of(&mut browser, "app", "openid profile email read").await;
            assert!(rules(s, "app").await.contains(&"wide-scope"));
            s.tokens_of(&mut browser, "app", "openid address phone write").await;
            assert!(!rules(s, "app").await.contains(&"wide-scope"));
            let all = lint::all(&s.op, None, s.now()).await.unwrap();
            let app = all.iter().find(|one| one.client.as_str() == "app").unwrap();
            assert!(app.findings.iter().all(|finding| finding.rule != "wide-scope"));
        });
    }
}

mod its_apis {
    use super::*;
    use crate::support::web_application::{WIKI, behind_a_proxy, web_application};

    #[test]
    fn they_have_to_go_together_behind_a_proxy_which_asks_for_all_of_them_at_once() {
        with_config(behind_a_proxy, async |s| {
            let opaque = "https://opaque.example.com";
            s.create_api(opaque, json!({ "access_token_format": "opaque" })).await;
            let mut wiki = web_application(WIKI, &[WIKI]);
            wiki["audience"] = json!([AUDIENCE, opaque]);
            s.create_client("wiki", wiki).await;
            assert!(rules(s, "wiki").await.contains(&"apis-apart"));
            // As a command does it, which has just begun.
            let node = s.node_with(&behind_a_proxy).await;
            let all = lint::all(&node.op, None, s.now()).await.unwrap();
            let wiki = all.iter().find(|one| one.client.as_str() == "wiki").unwrap();
            assert!(wiki.findings.iter().any(|finding| finding.rule == "apis-apart"));
            node.stop().await;
            s.patch_client("app", json!({ "audience": [AUDIENCE, opaque] })).await;
            assert!(!rules(s, "app").await.contains(&"apis-apart"), "it may send resource");
            s.patch_client("wiki", json!({ "audience": [opaque] })).await;
            assert!(!rules(s, "wiki").await.contains(&"apis-apart"));
        });
    }
}

mod the_command {
    use super::*;

    #[test]
    fn it_ends_with_1_where_a_profile_forbids_something_and_its_remedies_work() {
        super::super::crash::with_program(async |folder, address: &Address, url| {
            let process = Process::start(folder, address, url, "info");
            let lint = |words: &[&str]| {
                let words: Vec<_> = ["client", "lint"].iter().chain(words).copied().collect();
                Process::try_command(folder, &words)
            };
            let own = lint(&["--all"]);
            assert_eq!(own.status.code(), Some(0), "{}", String::from_utf8_lossy(&own.stderr));
            assert!(String::from_utf8_lossy(&own.stdout).contains("0 errors"));
            // The demo's page is at localhost.
            let strict = lint(&["demo-spa", "--profile", "oauth21", "--json"]);
            assert_eq!(strict.status.code(), Some(1));
            let said: Value = serde_json::from_slice(&strict.stdout).unwrap();
            let found = &said["clients"][0];
            assert_eq!((&found["client_id"], &found["errors"]), (&json!("demo-spa"), &json!(1)));
            assert_eq!(found["findings"][0]["rule"], "localhost-redirect");
            let command = found["findings"][0]["command"].as_str().unwrap();
            let words: Vec<_> = command.split(' ').skip(1).collect();
            Process::command(folder, &words);
            assert_eq!(lint(&["demo-spa", "--profile", "oauth21"]).status.code(), Some(0));
            let contact = "contacts=[\"team@example.com\"]";
            let shown =
                Process::command(folder, &["client", "update", "demo-spa", "--set", contact, "--json"]);
            let shown: Value = serde_json::from_str(&shown).unwrap();
            assert_eq!(shown["contacts"], json!(["team@example.com"]));
            assert_eq!(lint(&["nobody"]).status.code(), Some(1));
            assert_eq!(lint(&[]).status.code(), Some(2));
            drop(process);
        });
    }
}
