//! Whoever races: one outcome, the same for everybody, and never a 5xx.

use std::collections::BTreeSet;

use signet::flow::admin::By;
use signet::flow::admin::keys::Which;
use signet::flow::logout::LoggedOut;
use signet::flow::{Provider, admin};
use signet::model::audit::{Event, Origin};
use signet::storage::AuditQuery;

use super::*;
use crate::support::client::redemption;

const RACERS: usize = 32;

/// How often a node gave a verdict.
fn verdicts(node: &Server, name: &str) -> u64 {
    node.op.store.verdicts().find(|(known, _)| *known == name).unwrap().1
}

fn refreshing(node: &Server, client: &str, token: &str) -> Request {
    let params = [("grant_type", "refresh_token"), ("refresh_token", token)];
    node.auth(client).on(node.post("/token"), &params)
}

fn redeeming(node: &Server, client: &str, code: &str) -> Request {
    node.auth(client).on(node.post("/token"), &redemption(code))
}

#[track_caller]
fn assert_no_fault(answers: &[Response]) {
    for answer in answers {
        assert!(answer.status < 500, "{} {}", answer.status, answer.text());
    }
}

/// The answers that are 200; every other one is `invalid_grant`.
#[track_caller]
fn granted(answers: &[Response]) -> Vec<Tokens> {
    let (good, bad): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    for answer in bad {
        answer.refused(400, "invalid_grant");
    }
    good.into_iter().map(Tokens::of).collect()
}

async fn log_out_all(node: &Server) -> LoggedOut {
    let origin = Origin::default();
    let by = By { actor: "cli", origin: &origin, now: node.now() };
    let alice = admin::users::find(&node.op, ALICE.0).await.unwrap();
    admin::users::logout_all(&node.op, &by, alice.id).await.unwrap()
}

async fn assert_dead(node: &Server, client: &str, tokens: &Tokens) {
    node.refresh(client, tokens.refresh()).await.refused(400, "invalid_grant");
    assert!(!node.is_active(&tokens.access).await);
    assert_eq!(node.userinfo(&tokens.access).await.status, 401);
}

mod refreshing_at_once {
    use super::*;

    /// Rounds of racing refreshes over these nodes; bursts within H, and pauses beyond it.
    async fn race(nodes: &[&Server], rounds: u32) {
        let mut tokens = nodes[0].tokens("app").await;
        let advanced = || nodes.iter().map(|node| verdicts(node, "advance")).sum::<u64>();
        for round in 0..rounds {
            nodes[0].advance(if round % 5 == 0 { MINUTE + 2 * SECOND } else { SECOND });
            let before = advanced();
            let racers = (0..RACERS).map(|n| refreshing(nodes[n % nodes.len()], "app", tokens.refresh()));
            let answers = in_parallel(racers.collect()).await;
            assert_no_fault(&answers);
            let all: Vec<_> = answers.iter().map(Tokens::of).collect();
            let refresh: BTreeSet<_> = all.iter().map(Tokens::refresh).collect();
            let access: BTreeSet<_> = all.iter().map(|one| &one.access).collect();
            assert_eq!((refresh.len(), access.len()), (1, RACERS), "round {round}");
            assert!(!refresh.contains(tokens.refresh()), "round {round}");
            assert_eq!(advanced() - before, 1, "round {round}");
            tokens = all[0].clone();
        }
        nodes[0].refresh("app", tokens.refresh()).await.ok();
        for node in nodes {
            assert_eq!(verdicts(node, "theft") + verdicts(node, "deny") + verdicts(node, "fork"), 0);
        }
    }

    #[test]
    fn one_advances_and_all_get_the_same_successor() {
        with_server(async |s| race(&[s], effort(25, 200)).await);
    }

    #[test]
    fn one_advances_on_two_nodes() {
        with_server(async |s| {
            let second = s.second_node().await;
            race(&[s, &second], effort(15, 200)).await;
            second.stop().await;
        });
    }

    #[test]
    fn a_stolen_copy_among_them_is_one_theft_and_ends_all_the_same_way() {
        with_server(async |s| {
            for _ in 0..effort(3, 30) {
                let first = s.tokens("app").await;
                let second = Tokens::of(&s.refresh("app", first.refresh()).await);
                s.advance(2 * MINUTE);
                // The successor is used: from now on the first one is a copy.
                let third = Tokens::of(&s.refresh("app", second.refresh()).await);
                let thefts = verdicts(s, "theft");
                let racers = (0..RACERS).map(|_| refreshing(s, "app", first.refresh())).collect();
                let answers = in_parallel(racers).await;
                assert!(granted(&answers).is_empty());
                assert_eq!(verdicts(s, "theft") - thefts, 1);
                assert_dead(s, "app", &third).await;
                // Guesses and addresses are not what this is about.
                s.advance(HOUR);
            }
        });
    }
}

mod redeeming_at_once {
    use super::*;

    async fn race(nodes: &[&Server]) {
        let code = nodes[0].code("app").await;
        let racers = (0..RACERS).map(|n| redeeming(nodes[n % nodes.len()], "app", &code)).collect();
        let answers = in_parallel(racers).await;
        assert_no_fault(&answers);
        let tokens = granted(&answers);
        assert_eq!(tokens.len(), 1, "one code, one redemption");
        // The others had client, verifier and redirect URI right: a replay, and what the code gave is void.
        assert_dead(nodes[0], "app", &tokens[0]).await;
    }

    #[test]
    fn one_succeeds_and_the_replays_revoke_what_it_got() {
        with_server(async |s| {
            for _ in 0..effort(4, 50) {
                race(&[s]).await;
            }
        });
    }

    #[test]
    fn one_succeeds_on_two_nodes() {
        with_server(async |s| {
            let second = s.second_node().await;
            for _ in 0..effort(3, 50) {
                race(&[s, &second]).await;
            }
            second.stop().await;
        });
    }

    #[test]
    fn strangers_among_them_revoke_nothing() {
        with_server(async |s| {
            for _ in 0..effort(3, 30) {
                let code = s.code("app").await;
                let mut wrong = redemption(&code);
                wrong[3].1 = "another-verifier-of-a-length-that-is-allowed-0123456789";
                let mut racers: Vec<_> = (0..RACERS / 2)
                    .flat_map(|_| [s.auth("app").on(s.post("/token"), &wrong), redeeming(s, "other", &code)])
                    .collect();
                racers.insert(RACERS / 2, redeeming(s, "app", &code));
                let answers = in_parallel(racers).await;
                assert_no_fault(&answers);
                let tokens = granted(&answers);
                assert_eq!(tokens.len(), 1);
                assert!(s.is_active(&tokens[0].access).await);
                s.refresh("app", tokens[0].refresh()).await.ok();
            }
        });
    }
}

mod answering_at_once {
    use super::*;

    fn submissions(s: &Server, browser: &Browser<'_>, page: &crate::support::browser::Page, fields: &[(&str, &str)]) -> Vec<Request> {
        let request = s.post(&page.path).header("Origin", s.origin()).raw_form(&page.encoded(fields));
        vec![browser.with_cookies(request); 16]
    }

    fn codes(answers: &[Response]) -> Vec<String> {
        let locations = answers.iter().filter(|answer| answer.status == 303).map(Response::location);
        locations.filter_map(|location| Redirect::parse(location).get("code").map(str::to_owned)).collect()
    }

    #[test]
    fn a_consent_given_many_times_is_one_code() {
        with_server(async |s| {
            for round in 0..effort(3, 30) {
                let mut browser = Browser::new(s);
                let asked = request("spa").with("prompt", "consent");
                let login = browser.open(&asked).await;
                let next = browser.login(&login, ALICE).await;
                let page = browser.page(next.location()).await;
                assert_eq!(page.path, "/consent");
                let answers =
                    in_parallel(submissions(s, &browser, &page, &[("action", "approve")])).await;
                assert_no_fault(&answers);
                let codes = codes(&answers);
                assert_eq!(codes.len(), 1, "round {round}");
                s.redeem("spa", &codes[0]).await.ok();
                // Nor is there a second one later.
                let late = browser.submit(&page, &[("action", "approve")]).await;
                assert!((400..500).contains(&late.status), "{}", late.status);
            }
        });
    }

    #[test]
    fn a_yes_and_a_no_are_one_answer() {
        with_server(async |s| {
            for _ in 0..effort(3, 30) {
                let mut browser = Browser::new(s);
                let login = browser.open(&request("spa").with("prompt", "consent")).await;
                let next = browser.login(&login, ALICE).await;
                let page = browser.page(next.location()).await;
                let mut racers = submissions(s, &browser, &page, &[("action", "approve")]);
                racers.truncate(4);
                racers.extend(submissions(s, &browser, &page, &[("action", "deny")]).into_iter().take(4));
                let answers = in_parallel(racers).await;
                assert_no_fault(&answers);
                let back = answers.iter().filter(|answer| answer.status == 303).count();
                assert_eq!(back, 1, "{:?}", answers.iter().map(|a| (a.status, a.header("location"))).collect::<Vec<_>>());
            }
        });
    }

    #[test]
    fn a_login_form_sent_many_times_is_one_code() {
        with_server(async |s| {
            for _ in 0..effort(3, 20) {
                let mut browser = Browser::new(s);
                let page = browser.open(&request("app")).await;
                let fields = [("username", ALICE.0), ("password", ALICE.1), ("action", "login")];
                let answers = in_parallel(submissions(s, &browser, &page, &fields)).await;
                assert_no_fault(&answers);
                assert_eq!(codes(&answers).len(), 1);
            }
        });
    }

    #[test]
    fn right_passwords_from_many_browsers_at_once_all_succeed() {
        with_server(async |s| {
            let mut racers = Vec::new();
            for _ in 0..20 {
                let mut browser = Browser::new(s);
                let page = browser.open(&request("app")).await;
                let fields = [("username", ALICE.0), ("password", ALICE.1), ("action", "login")];
                racers.extend(submissions(s, &browser, &page, &fields).into_iter().take(1));
            }
            let answers = in_parallel(racers).await;
            assert_eq!(codes(&answers).len(), 20);
        });
    }
}

mod logging_out_at_once {
    use super::*;

    /// Refreshes until refused; every token that came on the way.
    async fn keep_refreshing(requests: impl Fn(&str) -> Request, first: Tokens) -> Vec<Tokens> {
        let mut all = vec![first];
        // Far more than fit between the start and the end.
        for _ in 0..10_000 {
            let answer = requests(all.last().unwrap().refresh()).send().await;
            assert!(answer.status < 500, "{}", answer.text());
            if answer.status == 400 {
                answer.refused(400, "invalid_grant");
                return all;
            }
            let mut tokens = Tokens::of(&answer);
            // A client that gets none keeps its own.
            tokens.refresh = tokens.refresh.or_else(|| all.last().unwrap().refresh.clone());
            all.push(tokens);
        }
        panic!("the refreshes were never refused");
    }

    /// Bursts as long as they may be: so that what races is the one statement that refreshes are made of.
    fn long_bursts(config: &mut Config) {
        config.refresh.spa.burst = 100;
    }

    #[test]
    fn nothing_works_after_all_devices_are_logged_out() {
        with_config(long_bursts, async |s| {
            let second = s.second_node().await;
            for round in 0..effort(4, 50) {
                let mut families = Vec::new();
                for _ in 0..4 {
                    families.push(s.tokens("app").await);
                }
                let mut codes = Vec::new();
                for _ in 0..6 {
                    codes.push(s.code("app").await);
                }
                let loops = families.into_iter().enumerate().map(|(n, first)| {
                    let node = if n % 2 == 0 { s } else { &second };
                    keep_refreshing(|token| refreshing(node, "app", token), first)
                });
                let redemptions = in_parallel(codes.iter().map(|code| redeeming(s, "app", code)).collect());
                let (all, answers, _) = tokio::join!(
                    futures_util::future::join_all(loops),
                    redemptions,
                    log_out_all(if round % 2 == 0 { s } else { &second }),
                );
                assert_no_fault(&answers);
                // Beyond any burst, within the life of the access tokens.
                s.advance(2 * MINUTE);
                for tokens in all.iter().flatten().chain(&granted(&answers)) {
                    for node in [s, &second] {
                        assert_dead(node, "app", tokens).await;
                    }
                }
                for code in &codes {
                    second.redeem("app", code).await.refused(400, "invalid_grant");
                }
                assert_eq!(verdicts(s, "theft") + verdicts(&second, "theft"), 0);
            }
            second.stop().await;
        });
    }

    #[test]
    fn nothing_of_a_session_works_after_it_has_ended() {
        with_config(long_bursts, async |s| {
            for _ in 0..effort(4, 50) {
                let mut browser = Browser::new(s);
                let mut families = Vec::new();
                for _ in 0..4 {
                    families.push(s.tokens_of(&mut browser, "app", "openid read").await);
                }
                let loops = families
                    .into_iter()
                    .map(|first| keep_refreshing(|token| refreshing(s, "app", token), first));
                let signing_out = async {
                    assert_eq!(browser.log_out(false).await.status, 303);
                };
                let (all, ()) = tokio::join!(futures_util::future::join_all(loops), signing_out);
                assert!(!browser.is_signed_in().await);
                s.advance(2 * MINUTE);
                for tokens in all.iter().flatten() {
                    assert_dead(s, "app", tokens).await;
                }
            }
        });
    }

    #[test]
    fn a_sign_in_that_races_is_before_or_after() {
        with_server(async |s| {
            for _ in 0..effort(3, 30) {
                let mut browsers = Vec::new();
                let mut racers = Vec::new();
                for _ in 0..12 {
                    let mut browser = Browser::new(s);
                    let page = browser.open(&request("app")).await;
                    let fields = [("username", ALICE.0), ("password", ALICE.1), ("action", "login")];
                    let form = page.encoded(&fields);
                    let request = s.post(&page.path).header("Origin", s.origin()).raw_form(&form);
                    racers.push(browser.with_cookies(request));
                    browsers.push(browser);
                }
                let (answers, first) = tokio::join!(in_parallel(racers), log_out_all(s));
                assert_no_fault(&answers);
                let signed_in = answers.iter().filter(|answer| answer.status == 303).count();
                let mut alive = 0;
                for (browser, answer) in browsers.iter_mut().zip(&answers) {
                    for cookie in answer.all("set-cookie") {
                        let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
                        browser.cookies.insert(name.to_owned(), value.to_owned());
                    }
                    alive += usize::from(browser.is_signed_in().await);
                }
                let second = log_out_all(s).await;
                // Whoever was not ended by the first was alive after it, and nobody is left. A sign-in that lost the race
                // may have left a row of the epoch before: it authenticates nobody, and is counted here all the same.
                assert!(usize::try_from(second.ended.sessions).unwrap() >= alive);
                assert!(first.ended.sessions + second.ended.sessions >= u64::try_from(signed_in).unwrap());
                for browser in &browsers {
                    assert!(!browser.is_signed_in().await);
                }
                s.advance(HOUR);
            }
        });
    }
}

mod starting_at_once {
    use super::*;
    use crate::support::database::Database;
    use crate::support::server::boot;

    /// The kids a node publishes, and those that sign.
    fn keys(op: &Provider) -> (BTreeSet<String>, usize) {
        let ring = op.keys.current();
        let now = op.clock.now();
        let kids = ring.keys().iter().map(|key| key.kid().0.clone()).collect();
        let active = ring.keys().iter().filter(|key| key.state(now) == signet::model::key::KeyState::Active);
        (kids, active.count())
    }

    async fn created(op: &Provider) -> usize {
        let query = AuditQuery {
            event: Some(Event::KeyCreated),
            limit: 500,
            user: None,
            client: None,
            since: None,
            until: None,
            before: None,
        };
        op.store.audit(query).await.unwrap().len()
    }

    #[test]
    fn eight_nodes_on_an_empty_database_make_one_installation() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(8).enable_all().build().unwrap();
        runtime.block_on(async {
            for round in 0..effort(2, 50) {
                let Some(database) = Database::empty(BACKEND).await else { return };
                let folder = tempfile::tempdir().unwrap();
                let nodes: Vec<_> = (0..8)
                    .map(|_| {
                        let (url, folder) = (database.url.clone(), folder.path().to_owned());
                        tokio::spawn(async move { boot(&url, &folder).await })
                    })
                    .collect();
                let mut booted = Vec::new();
                for node in nodes {
                    booted.push(node.await.unwrap());
                }
                for op in &booted {
                    signet::flow::keys::tick(op, op.clock.now()).await.unwrap();
                    // One for access tokens, one for ID tokens.
                    assert_eq!(keys(op).1, 2, "round {round}");
                    assert_eq!(keys(op), keys(&booted[0]), "round {round}");
                }
                assert_eq!(created(&booted[0]).await, 2, "round {round}");
                for op in &booted {
                    op.store.close().await;
                }
                database.delete().await;
            }
        });
    }

    #[test]
    fn a_key_rotation_on_two_nodes_is_one_rotation() {
        with_server(async |s| {
            let second = s.second_node().await;
            for _ in 0..effort(3, 30) {
                let before = created(&s.op).await;
                let (published, _) = keys(&s.op);
                let origin = Origin::default();
                let by = By { actor: "cli", origin: &origin, now: s.now() };
                let rotate = async |node: &Server| admin::keys::rotate(&node.op, &by, &Which::All).await.unwrap();
                let outcomes =
                    tokio::join!(rotate(s), rotate(&second), rotate(s), rotate(&second));
                let made: usize = [outcomes.0, outcomes.1, outcomes.2, outcomes.3]
                    .iter()
                    .map(|outcome| outcome.created.len())
                    .sum();
                assert_eq!(made, 2, "one per algorithm, by one of them");
                assert_eq!(created(&s.op).await - before, 2);
                for node in [s, &second] {
                    signet::flow::keys::tick(&node.op, node.now()).await.unwrap();
                }
                assert_eq!(keys(&s.op), keys(&second.op));
                let (now_published, active) = keys(&s.op);
                assert_eq!((now_published.len(), active), (published.len() + 2, 2));
                assert!(published.is_subset(&now_published), "what verifiers know stays");
                // Until the successors sign and the old ones have gone.
                for _ in 0..4 {
                    s.advance(2 * DAY);
                    for node in [s, &second] {
                        signet::flow::keys::tick(&node.op, node.now()).await.unwrap();
                    }
                }
                let (left, active) = keys(&s.op);
                assert_eq!(active, 2);
                assert!(left.is_disjoint(&published));
            }
            second.stop().await;
        });
    }
}
