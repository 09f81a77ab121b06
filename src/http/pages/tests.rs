//! Every page renders, keeps its names, escapes every field, and stays within the rules of the content security policy.

use super::form_post::FormPost;
use super::logout::{Destination, LoggedOut, Logout};
use super::view::*;
use super::words::ScopeLine;

/// Strings that become markup, script, template code or another attribute wherever escaping is forgotten.
const CORPUS: [&str; 12] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onfocus='alert(1)' autofocus='",
    "</title><script>alert(1)</script>",
    "</textarea></style></code></pre><svg onload=alert(1)>",
    "\" onmouseover=\"alert(1)",
    "--><script>alert(1)</script><!--",
    "{{ 7 * 7 }}{% raw %}<b>{% endraw %}",
    "javascript:alert(1)",
    "&lt;script&gt;&#60;script&#62;",
    "\u{202e}<i>\u{0}\r\n\u{2028}`${1}`",
    "<!DOCTYPE html><base href=//evil.example>",
];

fn pages() -> Pages {
    Pages::new(Site::new("Signet", "https://id.example.com")).unwrap()
}

fn client(text: &str) -> Client {
    let link = |path: &str| Some(format!("https://app.example.com/{path}?{text}"));
    Client {
        name: text.to_owned(),
        host: Some(text.to_owned()),
        logo_uri: link("logo.png"),
        policy_uri: link("policy"),
        tos_uri: link("tos"),
    }
}

/// Every page, with `text` in every field that takes a string.
fn every_page(text: &str) -> Vec<(&'static str, String)> {
    let pages = Pages::new(Site::new(text, text)).unwrap();
    let own = || text.to_owned();
    let client = || Some(client(text));
    let mut out = every_login(&pages, text);
    let scopes = vec![ScopeLine::new(text, Some(text)), ScopeLine::new(text, None)];
    let consent = Consent {
        csrf: own(),
        interaction: own(),
        client: client().unwrap(),
        account: own(),
        apis: scopes.clone(),
        scopes,
        duration: own(),
        returns_to: vec![own(), own()],
        unverified: Some(own()),
    };
    out.push(("consent", pages.consent(&consent)));
    let logout = Logout {
        action: "/end_session",
        csrf: own(),
        request: Some(own()),
        client: client(),
        account: Some(own()),
        offer_everywhere: true,
    };
    out.push(("logout", pages.logout(&logout)));
    out.push(("logged_out", pages.logged_out(&LoggedOut::default())));
    let leads_to = Some(Destination { name: own(), place: own(), unverified: true });
    let told = LoggedOut { frames: vec![own()], next: Some(own()), leads_to, ..LoggedOut::default() };
    out.push(("logged_out with a way on", pages.logged_out(&told)));
    let mismatch = RedirectMismatch {
        received: own(),
        registered: vec![own(), "x".to_owned()],
        nearest: Some(own()),
        command: Some(own()),
    };
    let error =
        ErrorPage { code: own(), description: Some(own()), trace_id: own(), mismatch: Some(mismatch) };
    out.push(("error", pages.error(&error)));
    let message = Message {
        heading: own(),
        text: own(),
        remedy: own(),
        trace_id: Some(own()),
        urgent: true,
        next: Some(Link { href: "/".to_owned(), label: "Home" }),
    };
    out.push(("message", pages.message(&message)));
    out.push(("index", pages.index(&Index { demo: true })));
    let form_post = FormPost { action: own(), fields: vec![(own(), own()), ("state".to_owned(), own())] };
    out.push(("form_post", pages.form_post(&form_post)));
    out.extend(super::account_tests::every_account_page(text));
    out
}

/// The sign-in page with every problem it can show.
fn every_login(pages: &Pages, text: &str) -> Vec<(&'static str, String)> {
    let own = || text.to_owned();
    let problems = [
        None,
        Some(LoginProblem::Refused),
        Some(LoginProblem::UsernameMissing),
        Some(LoginProblem::PasswordMissing),
        Some(LoginProblem::Throttled(90)),
        Some(LoginProblem::Full(3)),
        Some(LoginProblem::Busy),
    ];
    problems
        .into_iter()
        .map(|problem| {
            let page = Login {
                csrf: own(),
                interaction: own(),
                username: own(),
                problem,
                client: Some(client(text)),
                unverified: Some(own()),
                offer_remember: true,
                remember: true,
                again: problem.is_none(),
            };
            ("login", pages.login(&page))
        })
        .collect()
}

/// The tags of a page with the names of their attributes: what a browser would build, without the texts.
fn skeleton(html: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let mut tag = String::new();
        let mut quote = None;
        let mut end = rest.len();
        for (i, c) in rest[start..].char_indices() {
            match (quote, c) {
                (None, '>') => {
                    end = start + i + 1;
                    break;
                }
                (None, '"' | '\'') => quote = Some(c),
                (Some(open), c) if c == open => quote = None,
                (None, c) => tag.push(c),
                (Some(_), _) => {}
            }
        }
        out.push(tag);
        rest = &rest[end..];
    }
    out
}

#[test]
fn no_field_can_add_a_tag_or_an_attribute() {
    let harmless = every_page("abc");
    for text in CORPUS {
        for ((name, page), (_, plain)) in every_page(text).iter().zip(&harmless) {
            assert_eq!(skeleton(page), skeleton(plain), "{name} with {text:?}");
            if text.contains(['<', '"', '\'']) {
                assert!(!page.contains(text), "{name} holds {text:?} as it came");
            }
        }
    }
}

#[test]
fn the_skeleton_sees_what_escaping_would_miss() {
    assert_ne!(skeleton("<p>a</p>"), skeleton("<p><b>a</p>"));
    assert_ne!(skeleton("<p id=\"a\">"), skeleton("<p id=\"a\" onclick=\"b\">"));
    assert_eq!(skeleton("<p id=\"a\">"), skeleton("<p id=\"b>c\">"));
}

#[test]
fn links_of_a_client_are_http_or_left_out() {
    for bad in [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:x",
        "data:text/html,x",
        "vbscript:x",
        "//x",
        "x",
    ] {
        let bad = || Some(bad.to_owned());
        let client = Client { logo_uri: bad(), policy_uri: bad(), tos_uri: bad(), ..Client::default() };
        assert_eq!(client.logo_origin(), None);
        let page = pages().login(&Login { client: Some(client), ..Login::default() });
        for id in ["client-logo", "client-policy", "client-tos", "script:"] {
            assert!(!page.contains(id), "{id} for {:?}", bad());
        }
    }
}

#[test]
fn a_logo_comes_by_https_and_stands_beside_the_clients_name() {
    let with =
        |uri: &str| Client { name: "Shop".to_owned(), logo_uri: Some(uri.to_owned()), ..Client::default() };
    assert_eq!(with("http://app.example/l.png").logo_origin(), None);
    for (uri, shown) in [("http://app.example/l.png", false), ("https://app.example/l.png", true)] {
        let consent = pages().consent(&Consent { client: with(uri), ..Consent::default() });
        let login = pages().login(&Login { client: Some(with(uri)), ..Login::default() });
        for page in [login, consent] {
            assert_eq!(page.contains("id=\"client-logo\""), shown, "{uri}");
            assert_eq!(
                page.contains("alt=\"\" width=\"40\" height=\"40\" referrerpolicy=\"no-referrer\""),
                shown
            );
        }
    }
}

#[test]
fn a_logo_from_elsewhere_names_its_origin() {
    let with = |uri: &str| Client { logo_uri: Some(uri.to_owned()), ..Client::default() };
    assert_eq!(
        with("https://app.example:8443/l.png").logo_origin().as_deref(),
        Some("https://app.example:8443")
    );
    assert_eq!(with("https://a.example/;script-src *").logo_origin().as_deref(), Some("https://a.example"));
    for own in ["/assets/logo.png", "data:image/png;base64,AAAA"] {
        assert_eq!(with(own).logo_origin(), None);
        let page = pages().login(&Login { client: Some(with(own)), ..Login::default() });
        assert!(page.contains("client-logo"), "{own}");
    }
}

#[test]
fn pages_keep_the_names_that_scripts_use() {
    let expected: [(&str, &[&str]); 14] = [
        (
            "login",
            &[
                "login-form",
                "username",
                "password",
                "remember",
                "login-submit",
                "login-cancel",
                "client-unverified",
                "client-logo",
                "client-policy",
                "client-tos",
            ],
        ),
        (
            "consent",
            &[
                "consent-form",
                "consent-approve",
                "consent-deny",
                "consent-apis",
                "client-unverified",
                "client-logo",
                "client-policy",
                "client-tos",
            ],
        ),
        ("logout", &["logout-form", "logout-confirm", "logout-cancel", "everywhere"]),
        ("logged_out", &["logged-out"]),
        ("logged_out with a way on", &["logged-out", "continue"]),
        ("error", &["oauth-error", "trace-id", "oauth-error-fix"]),
        ("message", &["message", "trace-id", "message-next"]),
        ("form_post", &["form-post", "form-post-submit"]),
        ("index", &["issuer", "discovery", "jwks", "account"]),
        ("account_profile", &["account-nav", "account-done", "account-error", "profile-form"]),
        (
            "account_password",
            &["account-nav", "password-form", "current-password", "new-password", "again-password"],
        ),
        (
            "account_sessions",
            &[
                "sessions-list",
                "session-1",
                "session-current",
                "sign-out-one-1",
                "sign-out-others",
                "sign-out-all",
            ],
        ),
        ("account_applications", &["account-nav", "applications-list", "open-1", "revoke-1"]),
        ("account_activity", &["account-nav", "activity-list", "activity-older"]),
    ];
    for (name, page) in every_page("abc") {
        let (_, ids) = expected.iter().find(|(other, _)| *other == name).unwrap();
        for id in *ids {
            assert_eq!(page.matches(&format!(" id=\"{id}\"")).count(), 1, "{name}: {id}");
        }
    }
}

#[test]
fn pages_obey_the_content_security_policy() {
    for (name, page) in every_page("abc") {
        for tag in skeleton(&page) {
            assert!(!tag.contains(" style=") && !tag.contains(" on"), "{name}: {tag}");
            assert!(!tag.starts_with("<style"), "{name}: {tag}");
            // Relying parties' own pages, for logout alone; `frame-src` names their origins.
            assert!(name.starts_with("logged_out") || !tag.starts_with("<iframe"), "{name}: {tag}");
            assert!(!tag.starts_with("<script") || tag.contains(" src="), "{name}: {tag}");
        }
        let own = page.replace("https:&#x2f;&#x2f;app.example.com", "");
        assert!(!own.contains("http:") && !own.contains("https:") && !own.contains("src=\"//"), "{name}");
        assert!(page.len() < 30_000, "{name} has {} bytes", page.len());
    }
}

#[test]
fn pages_are_whole_documents() {
    for (name, page) in every_page("abc") {
        for part in
            ["<!DOCTYPE html>", "<html lang=\"en\"", "<title>", "<h1>", "<main ", "</html>", "color-scheme"]
        {
            assert_eq!(page.matches(part).count(), 1, "{name}: {part}");
        }
        assert!(page.trim_start().starts_with("<!DOCTYPE"), "{name}");
        assert!(page.matches(" autofocus").count() <= 1, "{name}");
    }
}

#[test]
fn every_field_a_person_fills_has_a_label() {
    for (name, page) in every_page("abc") {
        for id in ["username", "password"] {
            if page.contains(&format!("id=\"{id}\"")) {
                assert!(page.contains(&format!("<label for=\"{id}\">")), "{name}: {id}");
            }
        }
        for check in page.lines().filter(|line| line.contains("type=\"checkbox\"")) {
            assert!(check.contains("<label class=\"check\"><input type=\"checkbox\""), "{name}: {check}");
        }
    }
}

#[test]
fn a_problem_is_announced_focused_and_linked() {
    let page = pages().login(&Login { problem: Some(LoginProblem::UsernameMissing), ..Login::default() });
    assert!(page.contains("role=\"alert\" tabindex=\"-1\" autofocus"));
    assert!(page.contains("<a href=\"#username\">Enter your user name"));
    assert!(page.contains("aria-invalid=\"true\" aria-describedby=\"login-error\""));
}

#[test]
fn whoever_confirms_is_not_said_to_be_signed_out() {
    let confirming = |problem| pages().login(&Login { again: true, problem, ..Login::default() });
    let page = confirming(Some(LoginProblem::Refused));
    assert!(page.contains("<title>Not confirmed") && !page.contains("You are not signed in"), "{page}");
    for page in [page, confirming(None)] {
        assert!(page.contains("value=\"login\">Confirm</button>"), "{page}");
    }
}

#[test]
fn a_typed_name_is_kept_and_the_password_field_is_always_empty() {
    let page = pages().login(&Login { username: "alice".to_owned(), ..Login::default() });
    assert!(page.contains("value=\"alice\""));
    let password = page.lines().find(|line| line.contains("type=\"password\"")).unwrap();
    assert!(!password.contains("value=") && password.contains("autofocus"));
}

#[test]
fn the_error_code_stands_as_text() {
    let page = pages().error(&ErrorPage { code: "invalid_request".to_owned(), ..ErrorPage::default() });
    assert!(page.contains("<code id=\"oauth-error\">invalid_request</code>"));
    assert!(!page.contains("Registered"));
}

#[test]
fn a_developer_sees_received_against_registered() {
    let mismatch = RedirectMismatch {
        received: "http:x/cb2".to_owned(),
        registered: vec!["http:x/cb".to_owned(), "http:y/cb".to_owned()],
        nearest: Some("http:x/cb".to_owned()),
        command: Some("signet client update app".to_owned()),
    };
    let page = pages().error(&ErrorPage { mismatch: Some(mismatch), ..ErrorPage::default() });
    assert_eq!(page.matches("class=\"nearest\"").count(), 1);
    assert_eq!(page.matches("scope=\"row\"").count(), 3);
    assert!(page.contains("signet client update app"));
}

#[test]
fn the_host_is_shown_with_its_port() {
    let pages = Pages::new(Site::new("Signet", "http://localhost:8080")).unwrap();
    assert!(pages.message(&Message::interaction_expired()).contains("<strong>localhost:8080</strong>"));
}

#[test]
fn every_ready_made_message_says_what_to_do() {
    for message in [
        Message::interaction_expired(),
        Message::form_expired(),
        Message::not_asked_so(),
        Message::not_signed_in(),
        Message::still_signed_in(),
        Message::not_found(),
    ] {
        let page = pages().message(&message.with_trace("0af7"));
        assert!(page.contains("What you can do") && page.contains("0af7"));
    }
}
