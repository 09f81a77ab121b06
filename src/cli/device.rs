//! A browser's name for people, out of its `User-Agent` (RFC 9110 §10.1.5). A guess for a list, never a decision.

/// "Chrome on Linux"; what cannot be told is left out.
pub(super) fn name(user_agent: Option<&str>) -> String {
    let Some(agent) = user_agent.map(str::trim).filter(|agent| !agent.is_empty()) else {
        return "unknown device".to_owned();
    };
    match (browser(agent), system(agent)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, Some(system)) => format!("a browser on {system}"),
        // A program that names itself: `curl/8.5.0`.
        (None, None) => agent.split(['/', ' ']).next().unwrap_or(agent).chars().take(30).collect(),
    }
}

/// Browsers claim to be the ones they descend from, so the descendants are asked for first.
fn browser(agent: &str) -> Option<&'static str> {
    const BROWSERS: [(&str, &str); 11] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Vivaldi/", "Vivaldi"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("FxiOS/", "Firefox"),
        ("Firefox/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("HeadlessChrome/", "headless Chrome"),
        ("Chrome/", "Chrome"),
        ("Chromium/", "Chromium"),
        ("Safari/", "Safari"),
    ];
    find(&BROWSERS, agent)
}

/// Android says Linux too, and an iPad may say Mac OS X.
fn system(agent: &str) -> Option<&'static str> {
    const SYSTEMS: [(&str, &str); 7] = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("CrOS", "ChromeOS"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    find(&SYSTEMS, agent)
}

fn find(names: &[(&str, &'static str)], agent: &str) -> Option<&'static str> {
    names.iter().find(|(sign, _)| agent.contains(sign)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn devices_have_names() {
        const MOZILLA: &str = "Mozilla/5.0";
        for (agent, expected) in [
            (
                "(X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
                "Chrome on Linux",
            ),
            (
                "(Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0",
                "Edge on Windows",
            ),
            (
                "(Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15",
                "Safari on macOS",
            ),
            (
                "(iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 FxiOS/130.0 Safari/605",
                "Firefox on iPhone",
            ),
            (
                "(Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/130.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            ("(X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox on Linux"),
        ] {
            assert_eq!(name(Some(&format!("{MOZILLA} {agent}"))), expected);
        }
        assert_eq!(name(Some("curl/8.5.0")), "curl");
        assert_eq!(name(Some("signet-cli/0.1.0")), "signet-cli");
        assert_eq!(name(None), "unknown device");
        assert_eq!(name(Some("  ")), "unknown device");
    }
}
