//! Signing in with a password: what an attacker may learn and how often they may try (S-070 to S-074).

use super::*;

const DEVICE: &str = "signet_device";

/// Requests that try a password, each as a browser of its own would send it.
async fn attempts(s: &Server, count: usize, user: &str, password: &str) -> Vec<Request> {
    let mut requests = Vec::new();
    for _ in 0..count {
        let mut browser = Browser::new(s);
        let page = browser.open(&request("app")).await;
        let body = page.encoded(&[("username", user), ("password", password), ("action", "login")]);
        requests.push(browser.with_cookies(s.post("/login").raw_form(&body)));
    }
    requests
}

async fn attempt(s: &Server, user: &str, password: &str) -> Response {
    attempts(s, 1, user, password).await.pop().unwrap().send().await
}

/// How many of the answers have each status.
fn statuses(answers: &[Response]) -> std::collections::BTreeMap<u16, usize> {
    let mut counts = std::collections::BTreeMap::new();
    for answer in answers {
        *counts.entry(answer.status).or_default() += 1;
    }
    counts
}

/// No limit per address: all tests come from one.
fn many_from_one_address(config: &mut Config) {
    config.throttle.address_burst = 100_000;
}

mod enumeration {
    use super::*;

    /// An answer without what differs between any two answers.
    fn shape(response: &Response, user: &str) -> (u16, Vec<(String, String)>, String) {
        let volatile = ["x-request-id", "date", "content-length"];
        let headers = response.headers.iter().filter(|(name, _)| !volatile.contains(&name.as_str()));
        let page = Page { path: String::new(), hidden: Vec::new(), html: response.text() };
        let mut html = page.html.replace(user, "USER");
        for field in ["csrf", "interaction"] {
            let marker = format!("name=\"{field}\" value=\"");
            let (before, rest) = html.split_once(&marker).unwrap();
            html = format!("{before}{marker}{}", rest.split_once('"').unwrap().1);
        }
        (response.status, headers.cloned().collect(), html)
    }

    #[test]
    fn unknown_disabled_and_wrong_look_the_same() {
        with_server(async |s| {
            s.disable_user(BOB.0).await;
            let long = "x".repeat(600);
            let wrong = attempt(s, ALICE.0, "wrong").await;
            assert_eq!(wrong.status, 401);
            let expected = shape(&wrong, ALICE.0);
            for (user, password) in [
                ("nobody", "wrong"),
                ("nobody@example.com", "wrong"),
                (BOB.0, "wrong"),
                (BOB.0, BOB.1),
                (ALICE.0, "a long walk along the rivers"),
                (&long, "wrong"),
            ] {
                let answer = attempt(s, user, password).await;
                assert_eq!(shape(&answer, user), expected, "{user}");
                assert_eq!(answer.all("set-cookie").count(), 0);
            }
        });
    }

    #[test]
    fn name_and_address_both_work_whatever_their_case() {
        with_server(async |s| {
            for user in ["alice", "ALICE", "alice@example.com", "Alice@Example.COM", " alice "] {
                let response = attempt(s, user, ALICE.1).await;
                assert_eq!(response.status, 303, "{user}: {}", response.text());
            }
        });
    }

    #[test]
    fn a_password_is_compared_whole() {
        with_server(async |s| {
            let long = "correct horse battery staple ".repeat(8);
            s.set_password(ALICE.0, &long, None).await;
            for cut in [72, 128, 200] {
                assert_eq!(attempt(s, ALICE.0, &long[..cut]).await.status, 401);
            }
            assert_eq!(attempt(s, ALICE.0, &format!("{long}x")).await.status, 401);
            assert_eq!(attempt(s, ALICE.0, &long).await.status, 303);
        });
    }

    #[test]
    fn an_empty_field_says_which() {
        with_server(async |s| {
            let response = attempt(s, "", "x").await;
            assert_eq!(response.status, 400);
            assert!(response.text().contains("Enter your user name"));
            let response = attempt(s, ALICE.0, "").await;
            assert_eq!(response.status, 400);
            assert!(response.text().contains("Enter your password"));
        });
    }
}

mod throttling {
    use super::*;

    #[test]
    fn two_hundred_guesses_at_once_are_no_more_than_the_limit() {
        with_config(many_from_one_address, async |s| {
            let requests = attempts(s, 200, ALICE.0, "wrong").await;
            let counts = statuses(&in_parallel(requests).await);
            let of = |status| counts.get(&status).copied().unwrap_or_default();
            // A machine at its limit turns some away unheard; whoever is heard counts.
            assert!(of(401) <= 30 && (of(503) > 0 || of(401) == 30), "{counts:?}");
            assert_eq!(of(401) + of(429) + of(503), 200, "{counts:?}");
        });
    }

    #[test]
    fn a_throttled_answer_says_when_to_come_back_and_then_lets_one_in() {
        with_config(many_from_one_address, async |s| {
            in_parallel(attempts(s, 30, ALICE.0, "wrong").await).await;
            let response = attempt(s, ALICE.0, ALICE.1).await;
            assert_eq!(response.status, 429);
            let wait: u64 = header(&response, "retry-after").parse().unwrap();
            assert!((1..=60).contains(&wait), "{wait}");
            s.advance(Duration::from_secs(wait));
            assert_eq!(attempt(s, ALICE.0, "wrong").await.status, 401);
            assert_eq!(attempt(s, ALICE.0, "wrong").await.status, 429);
        });
    }

    #[test]
    fn twenty_right_passwords_at_once_all_go_through() {
        with_config(many_from_one_address, async |s| {
            let requests = attempts(s, 20, ALICE.0, ALICE.1).await;
            let counts = statuses(&in_parallel(requests).await);
            assert_eq!(counts.get(&303), Some(&20), "{counts:?}");
            for _ in 0..40 {
                assert_eq!(attempt(s, ALICE.0, ALICE.1).await.status, 303);
            }
        });
    }

    #[test]
    fn every_way_to_write_an_account_counts_as_one() {
        with_config(many_from_one_address, async |s| {
            let variants = ["alice", "ALICE", "Alice", " alice", "alice@example.com", "ALICE@example.com"];
            for variant in variants {
                in_parallel(attempts(s, 5, variant, "wrong").await).await;
            }
            for variant in variants {
                assert_eq!(attempt(s, variant, ALICE.1).await.status, 429, "{variant}");
            }
            assert_eq!(attempt(s, BOB.0, BOB.1).await.status, 303);
        });
    }

    #[test]
    fn a_name_that_nobody_has_is_throttled_like_one_that_somebody_has() {
        with_config(many_from_one_address, async |s| {
            let counts = statuses(&in_parallel(attempts(s, 40, "nobody", "wrong").await).await);
            assert_eq!((counts.get(&401), counts.get(&429)), (Some(&30), Some(&10)), "{counts:?}");
            assert_eq!(attempt(s, "NOBODY", "wrong").await.status, 429);
        });
    }

    #[test]
    fn an_attacker_cannot_lock_the_owner_out_of_a_known_browser() {
        with_config(many_from_one_address, async |s| {
            let mut known = Browser::new(s);
            known.sign_in(&request("app"), ALICE).await.code();
            in_parallel(attempts(s, 40, ALICE.0, "wrong").await).await;
            assert_eq!(attempt(s, ALICE.0, ALICE.1).await.status, 429);
            assert!(known.is_signed_in().await);
            known.cookies.remove("signet_session");
            Redirect::parse(&{
                let page = known.open(&request("app")).await;
                known.login(&page, ALICE).await.location().to_owned()
            })
            .code();
            // Known to alice is not known to bob, and a made-up device is known to nobody.
            in_parallel(attempts(s, 40, BOB.0, "wrong").await).await;
            known.cookies.remove("signet_session");
            let page = known.open(&request("app")).await;
            assert_eq!(known.login(&page, BOB).await.status, 429);
            let mut forged = Browser::new(s);
            forged.cookies.insert(DEVICE.to_owned(), "A".repeat(43));
            let page = forged.open(&request("app")).await;
            assert_eq!(forged.login(&page, ALICE).await.status, 429);
        });
    }

    #[test]
    fn a_known_browser_has_a_limit_too() {
        with_config(many_from_one_address, async |s| {
            let mut known = Browser::new(s);
            known.sign_in(&request("app"), ALICE).await.code();
            known.cookies.remove("signet_session");
            let page = known.open(&request("app")).await;
            let body = page.encoded(&[("username", ALICE.0), ("password", "wrong"), ("action", "login")]);
            let one = known.with_cookies(s.post("/login").raw_form(&body));
            let counts = statuses(&in_parallel(vec![one; 60]).await);
            assert_eq!(counts.get(&401), Some(&30), "{counts:?}");
            // Its owner is shut out of this browser, and of no other.
            assert_eq!(attempt(s, ALICE.0, ALICE.1).await.status, 303);
        });
    }

    #[test]
    fn an_address_has_a_limit_over_all_accounts() {
        with_server(async |s| {
            let mut requests = Vec::new();
            for number in 0..60 {
                requests.extend(attempts(s, 1, &format!("user{number}"), "wrong").await);
            }
            let counts = statuses(&in_parallel(requests).await);
            assert_eq!((counts.get(&401), counts.get(&429)), (Some(&50), Some(&10)), "{counts:?}");
        });
    }

    #[test]
    fn a_forwarded_address_is_believed_from_a_trusted_proxy_alone() {
        with_server(async |s| {
            in_parallel(attempts(s, 30, "nobody", "wrong").await).await;
            in_parallel(attempts(s, 30, "nobody2", "wrong").await).await;
            let request = attempts(s, 1, ALICE.0, ALICE.1).await.pop().unwrap();
            let request = request.header("X-Forwarded-For", "203.0.113.9");
            assert_eq!(request.send().await.status, 429);
        });
    }
}

mod hashing {
    use super::*;

    #[test]
    fn a_full_queue_is_503_with_retry_after_and_costs_no_guess() {
        with_config(
            |config| {
                many_from_one_address(config);
                config.passwords.queue = 0;
                // Slow enough that the attempts meet. Nobody's password is checked at present cost.
                config.passwords.memory_kib = 65_536;
            },
            async |s| {
                let mut guesses = 0;
                // Attempts that were answered one after another count, and others are made.
                let busy = loop {
                    let answers = in_parallel(attempts(s, 6, "nobody", "wrong").await).await;
                    let counts = statuses(&answers);
                    assert!(counts.keys().all(|status| matches!(status, 401 | 503)), "{counts:?}");
                    guesses += counts.get(&401).copied().unwrap_or(0);
                    if let Some(busy) = answers.into_iter().find(|answer| answer.status == 503) {
                        break busy;
                    }
                };
                assert!(header(&busy, "retry-after").parse::<u32>().unwrap() >= 1);
                assert!(busy.text().contains("id=\"login-form\""));
                loop {
                    match attempt(s, "nobody", "wrong").await.status {
                        401 => guesses += 1,
                        // The thread is still busy with what the attempts left behind.
                        503 => {}
                        _ => break,
                    }
                }
                assert_eq!(guesses, 30);
            },
        );
    }

    #[test]
    fn a_weaker_hash_is_replaced_when_its_owner_signs_in() {
        with_config(
            |config| config.passwords.iterations = 2,
            async |s| {
                let phc =
                    async || s.op.store.user_by_login(ALICE.0).await.unwrap().unwrap().password_phc.unwrap();
                assert!(phc().await.contains("t=1"));
                assert_eq!(attempt(s, ALICE.0, "wrong").await.status, 401);
                assert!(phc().await.contains("t=1"));
                assert_eq!(attempt(s, ALICE.0, ALICE.1).await.status, 303);
                assert!(phc().await.contains("t=2"));
                assert_eq!(attempt(s, ALICE.0, ALICE.1).await.status, 303);
            },
        );
    }
}

mod audit {
    use super::*;

    #[test]
    fn every_attempt_leaves_a_trace_with_its_address() {
        with_server(async |s| {
            attempt(s, ALICE.0, "wrong").await;
            attempt(s, ALICE.0, ALICE.1).await;
            let history = s.history(ALICE.0).await;
            let failed = history.iter().find(|entry| entry.event.as_str() == "login.failed").unwrap();
            assert_eq!((failed.outcome, failed.actor.as_str()), ("failure", "anonymous"));
            assert_eq!(failed.origin.address.as_deref(), Some("127.0.0.1"));
            assert!(s.events(ALICE.0).await.contains(&"login.succeeded"));
        });
    }

    #[test]
    fn an_address_over_its_limit_leaves_none() {
        with_config(
            |config| config.throttle.address_burst = 3,
            async |s| {
                let entries = async || {
                    let all = signet::flow::admin::audit::Filter::default();
                    signet::flow::admin::audit::page(&s.op, &all, None, 200).await.unwrap().items.len()
                };
                for _ in 0..3 {
                    assert_eq!(attempt(s, ALICE.0, "wrong").await.status, 401);
                }
                let before = entries().await;
                for user in [ALICE.0, BOB.0, "nobody"] {
                    assert_eq!(attempt(s, user, "wrong").await.status, 429);
                }
                assert_eq!(entries().await, before);
            },
        );
    }
}
