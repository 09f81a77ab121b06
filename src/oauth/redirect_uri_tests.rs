//! The mutation corpus of redirect URIs: what others let through, all refused here.

use proptest::prelude::*;

use super::*;

/// What the corpus mutates, and the only URIs that may match.
const REGISTERED: [&str; 5] = [
    "https://app.example.com/cb",
    "https://app.example.com/cb?tenant=a&x=%2F",
    "http://127.0.0.1/cb?k=v",
    "http://localhost:3000/cb",
    "com.example.app:/cb",
];

fn registered() -> Vec<RedirectUri> {
    REGISTERED.iter().map(|uri| parse_registered(uri).unwrap()).collect()
}

/// Whole URIs, each a trick that worked somewhere.
const TRICKS: &[&str] = &[
    "",
    "/cb",
    "//app.example.com/cb",
    "app.example.com/cb",
    "http://app.example.com/cb",
    "HTTPS://app.example.com/cb",
    "https:/app.example.com/cb",
    "https:app.example.com/cb",
    "https:///app.example.com/cb",
    "https:\\\\app.example.com\\cb",
    "https://app.example.com\\@evil.example/cb",
    "https://app.example.com@evil.example/cb",
    "https://evil.example@app.example.com/cb",
    "https://a@b@app.example.com/cb",
    "https://app.example.com:x@evil.example/cb",
    "https://app.example.com%40evil.example/cb",
    "https://app.example.com%2f@evil.example/cb",
    "https://app.example.com#@evil.example/cb",
    "https://app.example.com?@evil.example/cb",
    "https://app.example.com;evil.example/cb",
    "https://app.example.com.evil.example/cb",
    "https://app.example.comevil.example/cb",
    "https://app-example.com/cb",
    "https://appXexample.com/cb",
    "https://evilapp.example.com/cb",
    "https://evil.app.example.com/cb",
    "https://evil.example/app.example.com/cb",
    "https://evil.example/?https://app.example.com/cb",
    "https://evil.example/#https://app.example.com/cb",
    "https://app.example.com./cb",
    "https://app.example.com:443/cb",
    "https://app.example.com:8443/cb",
    "https://app.example.com:/cb",
    "https://app.example.com:0443/cb",
    "https://app.example.com/CB",
    "https://app.example.com/c%62",
    "https://app.example.com/%63%62",
    "https://app.example.com/c%2562",
    "https://app.example.com//cb",
    "https://app.example.com/./cb",
    "https://app.example.com/x/../cb",
    "https://app.example.com/cb/../evil",
    "https://app.example.com/cb/..;/evil",
    "https://app.example.com/cb/%2e%2e/evil",
    "https://app.example.com/cb/%252e%252e/evil",
    "https://app.example.com/cb/..%2fevil",
    "https://app.example.com/cb/..%5cevil",
    "https://app.example.com/cb;jsessionid=1",
    "https://app.example.com/cb?code=stolen",
    "https://app.example.com/cb?tenant=b&x=%2F",
    "https://app.example.com/cb?tenant=a&x=%2f",
    "https://app.example.com/cb?tenant=a&x=/",
    "https://app.example.com/cb?x=%2F&tenant=a",
    "https://app.example.com/cb?tenant=a",
    "https://app.example.com/cb?tenant=a&x=%2F&tenant=b",
    "https://аpp.example.com/cb",
    "https://app。example。com/cb",
    "https://app.example.com/cb",
    "https://ⓐpp.example.com/cb",
    "https://app.exam\u{ad}ple.com/cb",
    "https://app.example.com/\u{202e}cb",
    "https://xn--pp-8cd.example.com/cb",
    "javascript:alert(1)//https://app.example.com/cb",
    "data:text/html,https://app.example.com/cb",
    "vbscript:x",
    "file:///app.example.com/cb",
    "blob:https://app.example.com/cb",
    "about:blank",
    "http://127.0.0.1/cb",
    "http://127.0.0.1:8080/cb",
    "http://127.0.0.1:8080/cb?k=w",
    "http://127.0.0.1:8080/cb?k=v&k=v",
    "http://127.0.0.1:8080/cb/?k=v",
    "http://127.0.0.1:8080/CB?k=v",
    "http://127.0.0.1:8080/./cb?k=v",
    "http://127.0.0.1:8080//cb?k=v",
    "http://127.0.0.1:/cb?k=v",
    "http://127.0.0.1:0/cb?k=v",
    "http://127.0.0.1:00080/cb?k=v",
    "http://127.0.0.1:080/cb?k=v",
    "http://127.0.0.1:65536/cb?k=v",
    "http://127.0.0.1:99999/cb?k=v",
    "http://127.0.0.1:123456/cb?k=v",
    "http://127.0.0.1:+80/cb?k=v",
    "http://127.0.0.1:-1/cb?k=v",
    "http://127.0.0.1: 80/cb?k=v",
    "http://127.0.0.1:8o/cb?k=v",
    "http://127.0.0.1:80:81/cb?k=v",
    "http://127.0.0.1:80@evil.example/cb?k=v",
    "http://127.0.0.1:80.evil.example/cb?k=v",
    "http://127.0.0.1:80\\evil/cb?k=v",
    "http://127.0.0.1:80#/cb?k=v",
    "http://127.0.0.1:٨٠/cb?k=v",
    "http://127.0.0.1@evil.example/cb?k=v",
    "http://user@127.0.0.1:80/cb?k=v",
    "http://127.0.0.1.evil.example/cb?k=v",
    "http://127.0.0.10/cb?k=v",
    "http://127.0.0.1evil/cb?k=v",
    "http://127.0.0.2:80/cb?k=v",
    "http://127.1:80/cb?k=v",
    "http://127.0.1:80/cb?k=v",
    "http://127.000.000.001:80/cb?k=v",
    "http://0177.0.0.1:80/cb?k=v",
    "http://0x7f.1:80/cb?k=v",
    "http://0x7f000001:80/cb?k=v",
    "http://2130706433:80/cb?k=v",
    "http://[::ffff:127.0.0.1]:80/cb?k=v",
    "http://[::1]:80/cb?k=v",
    "http://[0:0:0:0:0:0:0:1]:80/cb?k=v",
    "http://::1:80/cb?k=v",
    "http://0.0.0.0:80/cb?k=v",
    "http://localhost:80/cb?k=v",
    "https://127.0.0.1:80/cb?k=v",
    "HTTP://127.0.0.1:80/cb?k=v",
    "http://localhost/cb",
    "http://localhost:3001/cb",
    "http://localhost:03000/cb",
    "http://LOCALHOST:3000/cb",
    "http://localhost.:3000/cb",
    "http://localhost.evil.example:3000/cb",
    "http://127.0.0.1:3000/cb",
    "com.example.app:/CB",
    "com.example.app://cb",
    "com.example.app:cb",
    "Com.Example.App:/cb",
    "com.example.app.evil:/cb",
    "com.example.apps:/cb",
];

/// Inserted before, behind and inside every registered URI.
const INSERTIONS: &[&str] = &[
    " ",
    "\t",
    "\n",
    "\r\n",
    "\0",
    "%00",
    "%0a",
    "%20",
    "\u{200b}",
    "\u{feff}",
    "\u{a0}",
    "/",
    "\\",
    "?",
    "#",
    "&",
    "@",
    ";",
    ".",
    "*",
    "%",
    "x",
    "#code",
    "?a=b",
    "&a=b",
    "/..",
    "/.",
    "/..;/",
    "%2f",
    "%5c",
    "//evil.example",
    "@evil.example",
    ".evil.example",
];

fn mutations() -> Vec<String> {
    let mut all: Vec<String> = TRICKS.iter().map(|trick| (*trick).to_owned()).collect();
    for uri in REGISTERED {
        for insertion in INSERTIONS {
            all.push(format!("{insertion}{uri}"));
            all.push(format!("{uri}{insertion}"));
            all.push(uri.replacen("/cb", &format!("{insertion}/cb"), 1));
            all.push(uri.replacen("example", &format!("{insertion}example"), 1));
        }
        all.push(uri.to_uppercase());
        all.push(uri[..uri.len() - 1].to_owned());
        all.push(uri[1..].to_owned());
        all.push(format!("{uri},{uri}"));
        all.push(format!("{uri} {uri}"));
    }
    all.retain(|uri| !REGISTERED.contains(&uri.as_str()));
    all.sort();
    all.dedup();
    all
}

#[test]
fn no_mutation_of_a_registered_uri_is_proven() {
    let registered = registered();
    let mutations = mutations();
    assert!(mutations.len() >= 200, "{}", mutations.len());
    for mutation in mutations {
        assert!(matches(&registered, &mutation).is_none(), "{mutation:?}");
    }
}

#[test]
fn the_registered_uris_are_proven() {
    let registered = registered();
    for uri in REGISTERED {
        assert_eq!(matches(&registered, uri).unwrap().as_str(), uri);
    }
    assert!(matches(&[], REGISTERED[0]).is_none());
}

#[test]
fn a_loopback_address_takes_any_port() {
    let plain =
        [parse_registered("http://127.0.0.1/cb").unwrap(), parse_registered("http://[::1]:7/").unwrap()];
    for good in [
        "http://127.0.0.1/cb",
        "http://127.0.0.1:1/cb",
        "http://127.0.0.1:65535/cb",
        "http://[::1]/",
        "http://[::1]:49152/",
    ] {
        assert_eq!(matches(&plain, good).unwrap().as_str(), good);
    }
    for bad in ["http://[::1]:7/cb", "http://127.0.0.1:7/", "http://127.0.0.1:7", "http://[::1]"] {
        assert!(matches(&plain, bad).is_none(), "{bad}");
    }
}

#[test]
fn registration_takes_what_clients_need() {
    for good in REGISTERED.iter().chain(&[
        "https://app.example.com",
        "https://app.example.com:8443/cb",
        "https://xn--bcher-kva.example/cb",
        "https://192.0.2.1/cb",
        "https://[2001:db8::1]/cb",
        "http://localhost/cb",
        "com.example.app:/oauth2/cb?k=v",
        "com.example.app://cb/x",
    ]) {
        assert!(parse_registered(good).is_ok(), "{good}: {:?}", parse_registered(good));
    }
}

#[test]
fn registration_refuses_what_is_dangerous() {
    let schemes =
        ["javascript", "data", "vbscript", "file", "blob", "about", "intent", "view-source", "ws", "myapp"];
    let mut bad: Vec<String> = Vec::new();
    for scheme in schemes {
        let spaced = format!("{}\t{}", &scheme[..1], &scheme[1..]);
        for spelling in
            [scheme.to_owned(), scheme.to_uppercase(), format!(" {scheme}"), format!("\u{1}{scheme}"), spaced]
        {
            bad.push(format!("{spelling}:/x"));
            bad.push(format!("{spelling}://app.example.com/cb"));
        }
    }
    bad.extend(
        [
            "/cb",
            "app.example.com/cb",
            "http://app.example.com/cb",
            "https://*.example.com/cb",
            "https://app.example.com/*",
            "https://app.example.com/cb#",
            "https://app.example.com/cb#x",
            "https://u@app.example.com/",
            "https://u:p@app.example.com/",
            "https://app.example.com\\cb",
            "https://app.example.com/c b",
            "https://app.example.com/c\tb",
            "https://app.example.com/%0d%0aX",
            "https://bücher.example/",
            "https://app.example.com/../x",
            "https://app.example.com/..;/x",
            "https://app.example.com/cb?code=1",
            "https://app.example.com/cb?%73tate=1",
            "https://app.example.com/cb?iss",
            "http://127.1/cb",
            "http://0x7f.1/cb",
            "com.example.app:cb",
            "com.example.app:",
            "com.example.app://u@h/cb",
            "com.example.app:/../cb",
            ".com:/cb",
            "com.:/cb",
            "com..app:/cb",
            "1.com:/cb",
            "Com.example:/cb",
            "javascript.x\u{0}:/cb",
            "https:",
            ":",
            "://",
            "",
        ]
        .map(str::to_owned),
    );
    bad.push(format!("https://app.example.com/{}", "a".repeat(uri::MAX_BYTES)));
    for uri in bad {
        let problem = parse_registered(&uri).expect_err(&uri);
        assert!(problem.ends_with('.') && super::super::text::is_description(problem), "{problem}");
    }
}

#[test]
fn the_nearest_is_for_the_eye_only() {
    let registered = registered();
    assert_eq!(nearest(&registered, "https://app.example.com/cb/"), Some(REGISTERED[0]));
    assert_eq!(nearest(&registered, "http://localhost:3001/cb"), Some(REGISTERED[3]));
    assert_eq!(nearest(&[], "x"), None);
}

#[test]
fn serde_checks_on_the_way_in() {
    let uri: RedirectUri = serde_json::from_str("\"https://app.example.com/cb\"").unwrap();
    assert_eq!(serde_json::to_string(&uri).unwrap(), "\"https://app.example.com/cb\"");
    let error = serde_json::from_str::<RedirectUri>("\"http://app.example.com/cb\"").unwrap_err().to_string();
    assert!(error.contains("Use https."), "{error}");
}

proptest! {
    #[test]
    fn no_text_makes_registration_panic(text in ".*", tail in "[/?:@%.\\[\\]0-9a-z;]*") {
        let _ = parse_registered(&text);
        let _ = parse_registered(&format!("http://127.0.0.1{tail}"));
        let _ = matches(&registered(), &text);
        let _ = nearest(&registered(), &text);
    }

    #[test]
    fn matching_is_exact_but_for_the_loopback_port(tail in "[:/?@%.0-9cbkv=]{0,12}", index in 0usize..5) {
        let received = format!("{}{tail}", &REGISTERED[index][..REGISTERED[index].len().min(20)]);
        if matches(&registered(), &received).is_some() && !REGISTERED.contains(&received.as_str()) {
            let url = url::Url::parse(&received).unwrap();
            prop_assert_eq!(url.host_str(), Some("127.0.0.1"));
            prop_assert_eq!((url.path(), url.query()), ("/cb", Some("k=v")));
        }
    }

    #[test]
    fn any_port_is_one_port(port in 0u32..200_000) {
        let received = format!("http://127.0.0.1:{port}/cb?k=v");
        prop_assert_eq!(matches(&registered(), &received).is_some(), (1..=65535).contains(&port));
    }

    #[test]
    fn what_is_registered_matches_itself(path in "(/[a-z0-9._~-]{1,8}){0,4}") {
        let text = format!("https://app.example.com{path}");
        if let Ok(uri) = parse_registered(&text) {
            prop_assert!(matches(&[uri], &text).is_some());
            let longer = format!("{text}/");
            prop_assert!(matches(&[parse_registered(&text).unwrap()], &longer).is_none());
        }
    }
}
