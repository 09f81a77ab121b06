//! What strangers can make this server ask (S-027), and what slow ones can make of it: traps behind the
//! addresses that a client registers.

use std::sync::Arc;

use signet::fetch::{Behalf, FetchError};
use tokio::task::JoinSet;

use super::*;
use crate::support::neighbour::trust;
use crate::support::tls::Authority;

const REDIRECT: &str = "https://rp.example.com/callback";

/// Registers a client of a sector, through the administration API.
async fn register(s: &Server, key: &str, sector: &str) -> Response {
    let metadata = json!({
        "client_name": "A client of a sector",
        "token_endpoint_auth_method": "none",
        "redirect_uris": [REDIRECT],
        "subject_type": "pairwise",
        "sector_identifier_uri": sector,
        "scope": "openid",
    });
    let request = Request::new(s.admin, "POST", "/admin/v1/clients").bearer(key);
    request.header("Content-Type", "application/json").body(metadata.to_string().as_bytes()).send().await
}

/// Asserts that an answer says no for a reason.
#[track_caller]
fn says(answer: &Response, reason: &str) {
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().contains(reason), "{reason:?} is not in {}", answer.text());
}

/// No host may be private.
fn strict(config: &mut Config) {
    config.fetch.private_hosts.clear();
}

/// The JSON array that lists the redirect URI.
fn listed() -> String {
    json!([REDIRECT]).to_string()
}

mod addresses {
    use super::*;

    #[test]
    fn a_private_address_is_not_asked_in_any_spelling() {
        with_config(strict, async |s| {
            let trap = Neighbour::start().await;
            let port = trap.address.port();
            for host in [
                "127.0.0.1",
                "127.1",
                "2130706433",
                "0x7f000001",
                "0x7f.0.0.1",
                "0177.0.0.1",
                "017700000001",
                "127.0.0.1.",
                "%31%32%37.0.0.1",
                "0.0.0.0",
                "0",
                "10.0.0.1",
                "172.16.0.1",
                "192.168.0.1",
                "100.64.0.1",
                "[::1]",
                "[::]",
                "[::ffff:127.0.0.1]",
                "[::ffff:7f00:1]",
                "[::127.0.0.1]",
                "[64:ff9b::7f00:1]",
                "[2002:7f00:1::]",
                "[fc00::1]",
            ] {
                for scheme in ["http", "https"] {
                    let url = format!("{scheme}://{host}:{port}/x");
                    let refused = s.op.fetch.get(&url, "*/*", &Behalf::Operator).await;
                    assert!(matches!(refused, Err(FetchError::Forbidden(_))), "{url}");
                    let refused = s.op.fetch.post_form(&url, &[], &Behalf::Operator).await;
                    assert!(matches!(refused, Err(FetchError::Forbidden(_))), "{url}");
                }
            }
            assert_eq!(trap.most_at_once(), 0);
        });
    }

    #[test]
    fn a_client_cannot_be_registered_with_one() {
        with_config(strict, async |s| {
            let trap = Neighbour::start().await;
            let key = s.api_key().await;
            let port = trap.address.port();
            for host in ["127.0.0.1", "[::1]", "[::ffff:7f00:1]", "10.0.0.1", "169.254.169.254"] {
                let answer = register(s, &key, &format!("https://{host}:{port}/x")).await;
                says(&answer, "its address is not public");
            }
            // Spellings that are read differently elsewhere are no web addresses to begin with.
            for host in ["127.1", "0x7f.1", "2130706433"] {
                says(&register(s, &key, &format!("https://{host}:{port}/x")).await, "canonical form");
            }
            says(&register(s, &key, &trap.url("/x")).await, "its address is not https");
            assert_eq!(trap.most_at_once(), 0);
        });
    }

    #[test]
    fn a_name_that_leads_to_this_machine_is_not_asked() {
        with_config(strict, async |s| {
            let trap = Neighbour::start().await;
            let key = s.api_key().await;
            for host in ["localhost", "rp.localhost"] {
                let answer = register(s, &key, &format!("https://{host}:{}/x", trap.address.port())).await;
                says(&answer, "its host is at no public address");
            }
            assert_eq!(trap.most_at_once(), 0);
        });
    }

    #[test]
    fn what_tells_machines_their_secrets_is_not_asked_even_where_it_is_listed() {
        let hosts = [
            "169.254.169.254",
            "[fd00:ec2::254]",
            "168.63.129.16",
            "100.100.100.200",
            "[fe80::1]",
            "224.0.0.1",
        ];
        let change = |config: &mut Config| {
            config.fetch.private_hosts = hosts.iter().map(ToString::to_string).collect();
        };
        with_config(change, async |s| {
            for host in hosts {
                let refused =
                    s.op.fetch.get(&format!("https://{host}/latest/meta-data"), "*/*", &Behalf::Operator).await.map(|_| ());
                assert_eq!(refused, Err(FetchError::Forbidden("its address is not public")), "{host}");
            }
        });
    }

    #[test]
    fn plain_http_is_for_listed_names_of_this_machine_alone() {
        let change = |config: &mut Config| {
            config.fetch.private_hosts =
                vec!["rp.internal".to_owned(), "10.0.0.7".to_owned(), "127.0.0.1".to_owned()];
        };
        with_config(change, async |s| {
            let trap = Neighbour::start().await;
            trap.serve("/x", 200, "application/json", "[]");
            let port = trap.address.port();
            for host in ["rp.example.com", "rp.internal", "10.0.0.7", "localhost", "127.0.0.2"] {
                let refused = s.op.fetch.get(&format!("http://{host}:{port}/x"), "*/*", &Behalf::Operator).await.map(|_| ());
                assert_eq!(refused, Err(FetchError::Forbidden("its address is not https")), "{host}");
            }
            assert_eq!(trap.most_at_once(), 0);
            assert_eq!(s.op.fetch.get(&trap.url("/x"), "*/*", &Behalf::Operator).await.unwrap().body, b"[]");
        });
    }
}

mod redirects {
    use super::*;

    #[test]
    fn a_redirect_to_an_internal_address_is_not_followed() {
        with_server(async |s| {
            let (trap, inside) = (Neighbour::start().await, Neighbour::start().await);
            inside.serve("/secret", 200, "application/json", listed());
            let key = s.api_key().await;
            for status in [301, 302, 303, 307, 308] {
                trap.serve_with("/x", status, &[("Location", &inside.url("/secret"))], listed());
                says(&register(s, &key, &trap.url("/x")).await, &format!("its host answered {status}"));
            }
            assert_eq!(inside.most_at_once(), 0);
            assert_eq!(s.op.fetch.post_form(&trap.url("/x"), &[("a", "b c")], &Behalf::Operator).await, Ok(308));
            assert_eq!(inside.most_at_once(), 0);
            let seen = trap.requests();
            assert_eq!(
                (seen.len(), seen[5].method.as_str(), seen[5].form()["a"].as_str()),
                (6, "POST", "b c")
            );
        });
    }
}

mod certificates {
    use super::*;

    #[test]
    fn of_an_authority_that_nobody_trusts_are_refused() {
        with_server(async |s| {
            let neighbour = Neighbour::start_tls(&Authority::new()).await;
            neighbour.serve("/x", 200, "application/json", listed());
            let key = s.api_key().await;
            says(&register(s, &key, &neighbour.url("/x")).await, "its certificate is not trusted");
            assert_eq!(neighbour.requests(), []);
        });
    }

    #[test]
    fn of_a_configured_authority_are_accepted_for_their_names() {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let change = |config: &mut Config| {
            trust(config, &authority, folder.path());
            config.fetch.private_hosts.push("rp.localhost".to_owned());
        };
        with_config(change, async |s| {
            let neighbour = Neighbour::start_tls(&authority).await;
            neighbour.serve("/x", 200, "application/json", listed());
            let key = s.api_key().await;
            let created = register(s, &key, &neighbour.url("/x")).await;
            assert_eq!(created.status, 201, "{}", created.text());
            let seen = &neighbour.requests()[0];
            assert_eq!((seen.method.as_str(), seen.header("user-agent")), ("GET", Some("Signet")));
            assert_eq!(seen.header("accept"), Some("application/json"));
            assert_eq!((seen.header("cookie"), seen.header("authorization")), (None, None));
            // The certificate is for localhost.
            let other = format!("https://rp.localhost:{}/x", neighbour.address.port());
            says(&register(s, &key, &other).await, "its certificate is not trusted");
        });
    }
}

mod bounds {
    use super::*;

    #[test]
    fn more_than_64_kib_are_refused_with_and_without_a_length() {
        with_server(async |s| {
            let trap = Neighbour::start().await;
            let key = s.api_key().await;
            let long = format!("{}{}", " ".repeat(64 * 1024), listed());
            trap.serve("/said", 200, "application/json", &long);
            trap.serve_bytes("/unsaid", format!("HTTP/1.1 200 OK\r\n\r\n{long}").into_bytes());
            let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            trap.serve_bytes(
                "/chunked",
                format!("{chunked}{:x}\r\n{long}\r\n0\r\n\r\n", long.len()).into_bytes(),
            );
            // A length that lies.
            trap.serve_bytes(
                "/lie",
                format!("HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n{long}").into_bytes(),
            );
            for path in ["/said", "/unsaid", "/chunked", "/lie"] {
                says(&register(s, &key, &trap.url(path)).await, "it is longer than 65536 bytes");
            }
        });
    }

    #[test]
    fn silence_and_drips_end_with_the_timeout() {
        with_config(
            |config| config.fetch.timeout_ms = 300,
            async |s| {
                let trap = Neighbour::start().await;
                let key = s.api_key().await;
                trap.hang("/silence");
                let pause = Duration::from_millis(20);
                trap.drip("/body", b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), pause);
                trap.drip("/head", b"HTTP/1.1 200 OK\r\nX: ".to_vec(), pause);
                trap.drip("/length", b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n".to_vec(), pause);
                for path in ["/silence", "/body", "/head", "/length"] {
                    says(&register(s, &key, &trap.url(path)).await, "its host did not answer in time");
                }
            },
        );
    }

    #[test]
    fn a_connection_that_nobody_takes_up_ends_with_the_timeout_too() {
        with_config(
            |config| config.fetch.timeout_ms = 300,
            async |s| {
                // Accepted by the system alone: the handshake never comes.
                let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                let url = format!("https://127.0.0.1:{}/x", listener.local_addr().unwrap().port());
                let key = s.api_key().await;
                says(&register(s, &key, &url).await, "its host did not answer in time");
            },
        );
    }

    /// Asks for a URL ten times at once, each for as long as it takes.
    fn ask(s: &Server, url: &str, asking: &mut JoinSet<Result<(), FetchError>>) {
        for _ in 0..10 {
            let (op, url) = (Arc::clone(&s.op), url.to_owned());
            asking.spawn(async move { op.fetch.get(&url, "*/*", &Behalf::Operator).await.map(|_| ()) });
        }
    }

    #[test]
    fn one_host_has_a_part_of_all_places_and_all_are_bounded() {
        with_config(
            |config| {
                config.fetch.timeout_ms = 30_000;
                config.fetch.max_concurrent = 8;
            },
            async |s| {
                let (mut traps, mut asking) = (Vec::new(), JoinSet::new());
                for _ in 0..4 {
                    let trap = Neighbour::start().await;
                    trap.hang("/x");
                    ask(s, &trap.url("/x"), &mut asking);
                    trap.wait_for(2).await;
                    traps.push(trap);
                }
                let last = Neighbour::start().await;
                last.serve("/x", 200, "application/json", "[]");
                ask(s, &last.url("/x"), &mut asking);
                s.tokens("app").await;
                for trap in &traps {
                    assert_eq!(trap.most_at_once(), 2, "{}", trap.origin());
                }
                assert_eq!(last.most_at_once(), 0);
                asking.shutdown().await;
                assert_eq!(s.op.fetch.get(&last.url("/x"), "*/*", &Behalf::Operator).await.unwrap().body, b"[]");
            },
        );
    }

    #[test]
    fn a_host_that_fails_five_times_is_left_alone() {
        with_server(async |s| {
            // A port that the system gives to nobody.
            let url = "http://127.0.0.1:1/x";
            let key = s.api_key().await;
            for _ in 0..5 {
                says(&register(s, &key, url).await, "cannot be reached");
            }
            says(&register(s, &key, url).await, "try again soon");
            // What answers, whatever it says, is there.
            let other = Neighbour::start().await;
            other.serve_bytes("/broken", b"HTTP/9 what\r\n\r\n".to_vec());
            for _ in 0..7 {
                says(&register(s, &key, &other.url("/none")).await, "its host answered 404");
                says(&register(s, &key, &other.url("/broken")).await, "its host's answer cannot be read");
            }
            for _ in 0..7 {
                says(&register(s, &key, &other.url("/broken")).await, "its host's answer cannot be read");
            }
        });
    }
}

mod slow_hosts {
    use super::*;

    #[test]
    fn slow_nothing_but_what_asks_them() {
        with_config(
            |config| {
                config.fetch.timeout_ms = 30_000;
                config.fetch.max_concurrent = 4;
            },
            async |s| {
                let trap = Neighbour::start().await;
                trap.hang("/x");
                let tokens = s.tokens("app").await;
                let waiting: Vec<_> = (0..20)
                    .map(|_| {
                        let (op, url) = (Arc::clone(&s.op), trap.url("/x"));
                        tokio::spawn(async move { op.fetch.get(&url, "*/*", &Behalf::Operator).await.map(|_| ()) })
                    })
                    .collect();
                trap.wait_for(1).await;
                // All of the token endpoint's work, while every place of the fetcher is taken or waited for.
                s.refresh("app", tokens.refresh()).await.ok();
                for _ in 0..10 {
                    s.token("service", &[("grant_type", "client_credentials")]).await.ok();
                }
                s.tokens("web").await;
                for one in waiting {
                    assert!(!one.is_finished(), "the host is still silent");
                    one.abort();
                }
            },
        );
    }
}

mod sectors {
    use super::*;

    /// Changes a client through the administration API.
    async fn patch(s: &Server, key: &str, id: &str, patch: Value) -> Response {
        let request = Request::new(s.admin, "PATCH", &format!("/admin/v1/clients/{id}")).bearer(key);
        let request = request.header("Content-Type", "application/merge-patch+json");
        request.body(patch.to_string().as_bytes()).send().await
    }

    #[test]
    fn the_document_lists_every_redirect_uri() {
        with_server(async |s| {
            let sector = Neighbour::start().await;
            let key = s.api_key().await;
            sector.serve("/bad", 200, "application/json", "[\"https://rp.example.com/other\"]");
            says(&register(s, &key, &sector.url("/bad")).await, "does not list");
            sector.serve("/bad", 200, "application/json", "{}");
            says(&register(s, &key, &sector.url("/bad")).await, "must be a JSON array");
            says(&register(s, &key, &sector.url("/none")).await, "its host answered 404");
            sector.serve("/good", 200, "application/json", listed());
            assert_eq!(register(s, &key, &sector.url("/good")).await.status, 201);
        });
    }

    #[test]
    fn a_change_of_redirect_uris_is_checked_and_no_other() {
        with_server(async |s| {
            let sector = Neighbour::start().await;
            let key = s.api_key().await;
            sector.serve("/x", 200, "application/json", listed());
            let created = register(s, &key, &sector.url("/x")).await;
            let id = created.json()["client_id"].as_str().unwrap().to_owned();
            assert_eq!(patch(s, &key, &id, json!({ "client_name": "Renamed" })).await.status, 200);
            assert_eq!(sector.requests().len(), 1);
            let two = json!({ "redirect_uris": [REDIRECT, "https://two.example.com/callback"] });
            says(&patch(s, &key, &id, two.clone()).await, "does not list");
            sector.serve("/x", 200, "application/json", two["redirect_uris"].to_string());
            assert_eq!(patch(s, &key, &id, two).await.status, 200);
            // What would make every user somebody else is refused before anything is fetched.
            sector.forget();
            let none = json!({ "sector_identifier_uri": null, "redirect_uris": [REDIRECT] });
            assert_eq!(patch(s, &key, &id, none).await.status, 409);
            assert_eq!(sector.requests(), []);
        });
    }
}
