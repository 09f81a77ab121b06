//! What counts as another browser or network, and which answer wins.

use super::*;
use proptest::prelude::*;

const LINUX_CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
const NEWER_CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36";
const WINDOWS_FIREFOX: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0";
const CHANGES: [Change; 4] = [Change::Ignore, Change::Note, Change::Reauthenticate, Change::End];

fn seen<'a>(user_agent: &'a str, address: &'a str) -> Seen<'a> {
    Seen {
        user_agent: (!user_agent.is_empty()).then_some(user_agent),
        address: (!address.is_empty()).then_some(address),
    }
}

fn network_changes(before: &str, now: &str) -> bool {
    let policy = SoftBinding { browser: Change::Ignore, network: Change::Note };
    judge(seen("", before), seen("", now), policy).change == Change::Note
}

#[test]
fn a_newer_version_is_the_same_browser() {
    let policy = SoftBinding { browser: Change::End, network: Change::End };
    let judged = judge(seen(LINUX_CHROME, ""), seen(NEWER_CHROME, ""), policy);
    assert_eq!((judged.change, judged.browser), (Change::Ignore, false));
    let judged = judge(seen(LINUX_CHROME, ""), seen(WINDOWS_FIREFOX, ""), policy);
    assert_eq!((judged.change, judged.cause()), (Change::End, "another browser"));
}

#[test]
fn leaving_the_user_agent_out_is_another_browser() {
    let policy = SoftBinding { browser: Change::Note, network: Change::Ignore };
    assert!(judge(seen(LINUX_CHROME, ""), seen("", ""), policy).browser);
    assert!(!judge(seen("", ""), seen("", ""), policy).browser);
}

#[test]
fn networks_are_24_and_48_bits_and_the_unknown_is_no_change() {
    for (before, now) in [
        ("203.0.113.1", "203.0.113.255"),
        ("2001:db8:1::1", "2001:db8:1:ffff:ffff:ffff:ffff:ffff"),
        ("::ffff:203.0.113.1", "203.0.113.9"),
        ("127.0.0.1", "::1"),
        ("", "203.0.113.1"),
        ("203.0.113.1", ""),
        ("203.0.113.1", "nonsense"),
        ("", ""),
    ] {
        assert!(!network_changes(before, now), "{before} {now}");
    }
    for (before, now) in [
        ("203.0.113.255", "203.0.114.0"),
        ("2001:db8:1:ffff::1", "2001:db8:2::1"),
        ("203.0.113.1", "2001:db8:1::1"),
        ("127.0.0.1", "203.0.113.1"),
    ] {
        assert!(network_changes(before, now), "{before} {now}");
        assert!(network_changes(now, before), "{now} {before}");
    }
}

#[test]
fn a_sight_has_words() {
    let words = seen(WINDOWS_FIREFOX, "203.0.113.9").words();
    assert_eq!(words, "Firefox on Windows, 203.0.113.9");
    assert_eq!(seen(LINUX_CHROME, "").words(), "Chrome on Linux");
}

fn address() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        (0..3u8, 0..4u8).prop_map(|(net, host)| format!("203.0.{net}.{host}")),
        (0..3u8, 0..4u8).prop_map(|(net, host)| format!("2001:db8:{net}::{host}")),
        "[0-9a-f:.]{0,12}",
    ]
}

fn agent() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just(LINUX_CHROME.to_owned()),
        Just(NEWER_CHROME.to_owned()),
        Just(WINDOWS_FIREFOX.to_owned()),
        ".{0,20}",
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop::sample::select(CHANGES.to_vec())
}

proptest! {
    #[test]
    fn the_stricter_wins_and_only_what_has_changed_counts(
        (one, two) in ((agent(), address()), (agent(), address())),
        (browser, network) in (change(), change()),
    ) {
        let policy = SoftBinding { browser, network };
        let (before, now) = (seen(&one.0, &one.1), seen(&two.0, &two.1));
        let judged = judge(before, now, policy);
        let mut expected = Change::Ignore;
        if judged.browser {
            expected = expected.max(browser);
        }
        if judged.network {
            expected = expected.max(network);
        }
        prop_assert_eq!(judged.change, expected);
        // There and back again is the same change, and staying is none.
        prop_assert_eq!(judge(now, before, policy), judged);
        prop_assert_eq!(judge(now, now, policy).change, Change::Ignore);
        // Looser on both sides is never stricter.
        for looser in CHANGES.into_iter().filter(|change| *change <= browser.min(network)) {
            let policy = SoftBinding { browser: looser, network: looser };
            prop_assert!(judge(before, now, policy).change <= judged.change);
        }
        // One mark, one change: what is judged as having moved is marked apart, unless an address is unknown.
        if before.mark(policy) == now.mark(policy) {
            prop_assert_eq!(judged.change, Change::Ignore);
        }
    }
}
