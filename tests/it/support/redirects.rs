//! Redirect URIs that others have let through, and what no client may register.

use std::collections::BTreeSet;

/// What the client has registered; the corpus is made of it.
pub(crate) const REGISTERED: [&str; 5] = [
    "https://app.example.com/cb",
    "https://app.example.com/cb?tenant=a&x=%2F",
    "http://127.0.0.1/cb?k=v",
    "http://localhost:3000/cb",
    "com.example.app:/cb",
];

/// Put before, behind and inside each of them.
const INSERTIONS: [&str; 40] = [
    " ",
    "\t",
    "\n",
    "\r\n",
    "\0",
    "\u{1}",
    "\u{7f}",
    "\u{a0}",
    "\u{200b}",
    "\u{202e}",
    "\u{feff}",
    "%00",
    "%09",
    "%0a",
    "%0d%0a",
    "%20",
    "%23",
    "%2f",
    "%2F",
    "%5c",
    "%40",
    "%3f",
    "%25",
    "/",
    "//",
    "\\",
    "?",
    "#",
    "&",
    "@",
    ";",
    ":",
    ".",
    "*",
    "%",
    "x",
    "/..",
    "/./",
    "/..;/",
    "//evil.example",
];

/// Hosts that are not ours, each in the shape of a trick.
const HOSTS: [&str; 44] = [
    // Another spelling of the same host.
    "APP.example.com",
    "app.example.com.",
    "app.example.com:443",
    "app.example.com:0443",
    "app.example.com:8443",
    "app.example.com:",
    "app.example.com:65536",
    "app.example.com%2e",
    "%61pp.example.com",
    "app%2eexample.com",
    "app。example。com",
    "app.example.com",
    "ⓐpp.example.com",
    "аpp.example.com",
    "xn--pp-8cd.example.com",
    "app.exam\u{ad}ple.com",
    // A host that begins, ends or looks like it.
    "app.example.com.evil.example",
    "app.example.comevil.example",
    "evil-app.example.com",
    "evilapp.example.com",
    "evil.app.example.com",
    "appXexample.com",
    "app-example.com",
    "example.com",
    "*.example.com",
    "app.example.org",
    "app.example.com,evil.example",
    "app.example.com;evil.example",
    "app.example.com%00.evil.example",
    "app.example.com%23.evil.example",
    // Another host behind the user's name.
    "app.example.com@evil.example",
    "app.example.com:443@evil.example",
    "app.example.com%40evil.example",
    "app.example.com%2f@evil.example",
    "app.example.com\\@evil.example",
    "app.example.com#@evil.example",
    "app.example.com?@evil.example",
    "a@b@app.example.com",
    "evil.example\\.app.example.com",
    "user:password@app.example.com",
    "[app.example.com]",
    // Private addresses.
    "169.254.169.254",
    "[::ffff:169.254.169.254]",
    "metadata.google.internal",
];

/// Spellings of the loopback address, none of which is `127.0.0.1` or a registered port of `localhost`.
const LOOPBACKS: [&str; 30] = [
    "localhost",
    "localhost:80",
    "localhost:3001",
    "localhost:03000",
    "LOCALHOST:3000",
    "localhost.:3000",
    "localhost.evil.example:3000",
    "x.localhost:3000",
    "127.0.0.1:0",
    "127.0.0.1:",
    "127.0.0.1:00080",
    "127.0.0.1:65536",
    "127.0.0.1:+80",
    "127.0.0.1:-1",
    "127.0.0.1:٨٠",
    "127.0.0.1:80:81",
    "127.0.0.1:80@evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.10",
    "127.0.0.2",
    "127.1",
    "127.0.1",
    "0177.0.0.1",
    "0x7f.1",
    "0x7f000001",
    "2130706433",
    "127.000.000.001",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "0.0.0.0",
];

/// Schemes that run or read something, in spellings that a list of them would miss.
const SCHEMES: [&str; 14] = [
    "javascript",
    "data",
    "vbscript",
    "file",
    "blob",
    "about",
    "intent",
    "view-source",
    "ws",
    "ftp",
    "jar",
    "filesystem",
    "myapp",
    "feed",
];

/// Every variant: none of them is registered.
pub(crate) fn variants() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for uri in REGISTERED {
        for insertion in INSERTIONS {
            all.insert(format!("{insertion}{uri}"));
            all.insert(format!("{uri}{insertion}"));
            all.insert(uri.replacen("/cb", &format!("{insertion}/cb"), 1));
            all.insert(uri.replacen("cb", &format!("c{insertion}b"), 1));
        }
        for changed in
            [uri.to_uppercase(), format!("{uri},{uri}"), format!("{uri} {uri}"), uri[1..].to_owned()]
        {
            all.insert(changed);
        }
        all.insert(uri[..uri.len() - 1].to_owned());
        all.insert(uri.replacen("://", ":/", 1).replacen(":/cb", "://cb", 1));
        all.insert(uri.replacen("/cb", "/%63b", 1));
        all.insert(uri.replacen("/cb", "/%2563b", 1));
        all.insert(uri.replacen("/cb", "/CB", 1));
        all.insert(uri.replacen("/cb", "/cb;jsessionid=1", 1));
        all.insert(uri.replacen("/cb", "/evil/../cb", 1));
        all.insert(format!("{uri}/{}", "a".repeat(3000)));
        all.insert(format!("https://evil.example/?u={uri}"));
        all.insert(format!("https://evil.example/#{uri}"));
        all.insert(format!("javascript:alert(1)//{uri}"));
    }
    for host in HOSTS {
        all.insert(format!("https://{host}/cb"));
    }
    for host in LOOPBACKS {
        all.insert(format!("http://{host}/cb?k=v"));
        all.insert(format!("http://{host}/cb"));
    }
    let whole = [
        "//app.example.com/cb",
        "///app.example.com/cb",
        "/cb",
        "cb",
        "app.example.com/cb",
        "http://app.example.com/cb",
        "https:app.example.com/cb",
        "https:///app.example.com/cb",
        "https:\\\\app.example.com\\cb",
        "HtTpS://app.example.com/cb",
        "https://app.example.com/cb?x=%2F&tenant=a",
        "https://app.example.com/cb?tenant=a",
        "https://app.example.com/cb?tenant=a&x=/",
        "https://app.example.com/cb?tenant=a&x=%2f",
        "https://app.example.com/cb?tenant=a&x=%2F&tenant=b",
        "https://app.example.com/cb?code=stolen",
        "https://127.0.0.1/cb?k=v",
        "http://127.0.0.1:80/cb?k=w",
        "http://127.0.0.1:80/CB?k=v",
        "com.example.app://cb",
        "Com.Example.App:/cb",
        "com.example.app.evil:/cb",
        "com.example.apps:/cb",
        "com.example:/cb",
    ];
    all.extend(whole.map(str::to_owned));
    for uri in dangerous() {
        all.insert(uri);
    }
    for uri in REGISTERED {
        all.remove(uri);
    }
    // The path and the query are right, and any port will do (RFC 8252, section 7.3).
    all.remove("http://127.0.0.1:80/cb?k=v");
    all
}

/// What no client may register under any name, whoever it is.
pub(crate) fn dangerous() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for scheme in SCHEMES {
        let (first, rest) = scheme.split_at(1);
        for spelling in [
            scheme.to_owned(),
            scheme.to_uppercase(),
            format!("{}{rest}", first.to_uppercase()),
            format!(" {scheme}"),
            format!("\u{1}{scheme}"),
            format!("\n{scheme}"),
            format!("{first}\t{rest}"),
            format!("{first}\n{rest}"),
            format!("{scheme}%3a"),
        ] {
            all.insert(format!("{spelling}:alert(1)"));
            all.insert(format!("{spelling}://app.example.com/cb"));
        }
    }
    for host in [
        "*.example.com",
        "app.example.com\\@evil.example",
        "user@app.example.com",
        "a:b@app.example.com",
        "APP.example.com",
        "bücher.example",
        "app。example。com",
        "127.1",
        "0x7f.1",
        "2130706433",
        "app.example.com:0",
        "app.example.com:65536",
        "app.example.com:+1",
        "",
    ] {
        all.insert(format!("https://{host}/cb"));
    }
    for end in [
        "#",
        "#x",
        "#?",
        "/*",
        "/a b",
        "/a\tb",
        "/a\nb",
        "/a\\b",
        "/%0d%0aX",
        "/%00",
        "/../x",
        "/./x",
        "/..;/x",
        "/%zz",
        "/%2",
        "/\u{202e}",
        "/ä",
        "/\"",
        "/<",
        "/{x}",
    ] {
        all.insert(format!("https://app.example.com{end}"));
    }
    let whole = [
        "",
        "/",
        "/cb",
        "//app.example.com/cb",
        "app.example.com/cb",
        "http://app.example.com/cb",
        "http://10.0.0.1/cb",
        "http://[::2]/cb",
        "https:",
        "https://",
        ":",
        "https:app.example.com",
        "https:/app.example.com",
    ];
    all.extend(whole.map(str::to_owned));
    all.insert(format!("https://app.example.com/{}", "a".repeat(2048)));
    all
}
