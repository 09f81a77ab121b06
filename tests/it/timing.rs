//! How long a refused sign-in takes must not say who has an account (S-072): unknown user or wrong password. Welch's t-test
//! over interleaved samples, against a server in this process; for a machine that has nothing else to do, so only with
//! `SIGNET_TEST_LONG=1`.

use signet::clock::monotonic_now;

use super::*;

/// Two samples whose |t| is beyond this differ, but for one case in a hundred thousand.
const LIMIT: f64 = 4.5;

/// Mean and variance of the mean. The slowest tenth of all is left out: there the machine did something else.
fn mean(times: &[f64], longest: f64) -> (f64, f64) {
    let kept: Vec<f64> = times.iter().copied().filter(|time| *time <= longest).collect();
    let count = kept.len() as f64;
    let mean = kept.iter().sum::<f64>() / count;
    let variance = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, variance / count)
}

/// Welch's t of two samples.
fn welch(one: &[f64], other: &[f64]) -> f64 {
    let mut all: Vec<f64> = one.iter().chain(other).copied().collect();
    all.sort_by(f64::total_cmp);
    let longest = all[all.len() * 9 / 10];
    let ((a, u), (b, v)) = (mean(one, longest), mean(other, longest));
    eprintln!("{:.1} µs and {:.1} µs", a * 1e6, b * 1e6);
    (a - b) / (u + v).sqrt()
}

async fn timed(request: Request, status: u16) -> f64 {
    let begin = monotonic_now();
    let response = request.send().await;
    let taken = begin.elapsed().as_secs_f64();
    assert_eq!(response.status, status, "{}", response.text());
    taken
}

/// Asks in turn, each first as often as the other.
async fn compare(rounds: u32, status: u16, mut ask: impl AsyncFnMut(bool, u32) -> Request) -> f64 {
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        for first in [round % 2 == 0, round % 2 != 0] {
            let request = ask(first, round).await;
            let taken = timed(request, status).await;
            if first { one.push(taken) } else { other.push(taken) }
        }
    }
    // The first ones warm up.
    let warm = one.len() / 20;
    welch(&one[warm..], &other[warm..])
}

#[test]
fn the_test_itself_sees_a_difference_and_sees_none_where_there_is_none() {
    let noise = |seed: u32| (0..2000_u32).map(move |n| f64::from((n * 7919 + seed) % 1009));
    let (one, same): (Vec<f64>, Vec<f64>) = (noise(1).collect(), noise(2).collect());
    let later: Vec<f64> = noise(2).map(|time| time + 200.0).collect();
    assert!(welch(&one, &same).abs() < LIMIT);
    assert!(welch(&one, &later).abs() > LIMIT);
}

#[test]
fn an_unknown_user_is_refused_as_slowly_as_a_wrong_password() {
    let rounds = effort(0, 1500);
    if rounds == 0 {
        return;
    }
    let patient = |config: &mut Config| {
        config.throttle.account_burst = 1_000_000;
        config.throttle.address_burst = 1_000_000;
    };
    with_config(patient, async |s| {
        let mut browser = Browser::new(s);
        let page = browser.open(&request("app")).await;
        let t = compare(rounds, 401, async |known, _| {
            let name = if known { ALICE.0 } else { "alicf" };
            let form = page.encoded(&[("username", name), ("password", "wrong"), ("action", "login")]);
            browser.with_cookies(s.post("/login").header("Origin", s.origin()).raw_form(&form))
        })
        .await;
        assert!(t.abs() < LIMIT, "t = {t}");
    });
}
