//! The account's pages, for the tests that hold every page to the same rules.

use super::account::*;
use super::view::{Pages, Site};
use super::words::ScopeLine;
use crate::clock::Timestamp;
use crate::model::account::{AccountPage, OWN_CLAIMS};

fn frame(page: AccountPage, text: &str) -> Frame {
    Frame {
        page,
        account: text.to_owned(),
        csrf: text.to_owned(),
        done: Some(Done::Saved),
        problem: Some(Problem::of("name", text)),
        stale: true,
    }
}

/// Every page of the account, with `text` in every field that takes a string.
pub(super) fn every_account_page(text: &str) -> Vec<(&'static str, String)> {
    let pages = Pages::new(Site::new(text, text)).unwrap();
    let (own, at) = (|| text.to_owned(), || Moment::from(Timestamp::from_seconds(0)));
    let profile = Profile {
        frame: frame(AccountPage::Profile, text),
        email: Some(own()),
        email_verified: true,
        roles: vec![own(), own()],
        claims: OWN_CLAIMS.into_iter().map(|claim| (claim, own())).collect(),
    };
    let device = |current| DeviceLine {
        session: own(),
        name: own(),
        current,
        signed_in: current,
        place: Some(own()),
        since: at(),
        seen: at(),
        apps: vec![own(), own()],
    };
    let devices = vec![device(true), device(false)];
    let sessions = Sessions { frame: frame(AccountPage::Sessions, text), devices, more: true };
    let application = ApplicationLine {
        client: own(),
        name: own(),
        first_party: true,
        scopes: vec![ScopeLine::new(text, None)],
        since: at(),
        used: Some(at()),
        open: Some(own()),
    };
    let applications = vec![application];
    let applications =
        Applications { frame: frame(AccountPage::Applications, text), applications, more: true };
    let entry = ActivityLine {
        at: at(),
        what: own(),
        who: own(),
        from: Some(own()),
        device: Some(own()),
        marked: true,
        reference: Some(own()),
    };
    let activity =
        Activity { frame: frame(AccountPage::Activity, text), entries: vec![entry], next: Some(own()) };
    let password = PasswordForm { frame: frame(AccountPage::Password, text), shortest: 15 };
    vec![
        ("account_profile", pages.account_profile(&profile)),
        ("account_password", pages.account_password(&password)),
        ("account_sessions", pages.account_sessions(&sessions)),
        ("account_applications", pages.account_applications(&applications)),
        ("account_activity", pages.account_activity(&activity)),
    ]
}

#[test]
fn every_field_has_one_label_and_no_id_comes_twice() {
    for (name, page) in every_account_page("abc") {
        let ids: Vec<_> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        for id in &ids {
            assert_eq!(ids.iter().filter(|other| *other == id).count(), 1, "{name}: {id}");
        }
        let typed = page.lines().filter(|line| line.starts_with("<input id="));
        for id in typed.filter_map(|line| line.split('"').nth(1)) {
            assert!(page.contains(&format!("<label for=\"{id}\">")), "{name}: {id}");
        }
        assert_eq!(page.matches("aria-current=\"page\"").count(), 1, "{name}");
    }
}

#[test]
fn a_confirmation_is_one_of_the_list() {
    for word in ["saved", "password", "device", "others", "revoked", "nothing"] {
        assert_eq!(Done::parse(word).unwrap().word(), word);
    }
    for word in ["", "Saved", "saved ", "<b>", "call us"] {
        assert_eq!(Done::parse(word), None, "{word}");
    }
}
