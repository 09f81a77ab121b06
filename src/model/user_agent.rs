//! A browser's name for people, out of its `User-Agent` (RFC 9110 §10.1.5): a guess for a list and a hint for a policy,
//! never a proof.

/// What is shown of a browser that does not say what it is.
pub const SOME_BROWSER: &str = "a browser";
/// What is shown of a device whose operating system is not told.
pub const SOME_DEVICE: &str = "a device";

/// A browser and what it runs on, without versions: those change under the same person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Such as `Firefox`; [`SOME_BROWSER`] where it cannot be told.
    pub browser: &'static str,
    /// Such as `Windows`; [`SOME_DEVICE`] where it cannot be told.
    pub system: &'static str,
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on {}", self.browser, self.system)
    }
}

/// Browsers claim to be the ones they descend from, so the descendants are asked for first.
const BROWSERS: [(&str, &str); 15] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("Wget/", "Wget"),
];

/// Android says Linux too, and an iPad says Mac OS X.
const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// The device that a `User-Agent` describes.
pub fn recognise(user_agent: &str) -> Device {
    let find = |names: &[(&str, &'static str)]| {
        names.iter().find(|(sign, _)| user_agent.contains(sign)).map(|(_, name)| *name)
    };
    Device { browser: find(&BROWSERS).unwrap_or(SOME_BROWSER), system: find(&SYSTEMS).unwrap_or(SOME_DEVICE) }
}

#[cfg(test)]
mod tests {
    use super::recognise;

    #[test]
    fn devices_have_names() {
        for (agent, expected) in [
            (
                "(X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
                "Chrome on Linux",
            ),
            (
                "(X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/130.0 Safari/537.36",
                "Chrome on Linux",
            ),
            (
                "(X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36",
                "Chrome on ChromeOS",
            ),
            (
                "(Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0",
                "Edge on Windows",
            ),
            (
                "(Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36 OPR/115.0",
                "Opera on Windows",
            ),
            (
                "(Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15",
                "Safari on macOS",
            ),
            (
                "(iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 FxiOS/130.0 Safari/605",
                "Firefox on iOS",
            ),
            ("(iPad; CPU OS 18_0 like Mac OS X) AppleWebKit/605 CriOS/130.0 Safari/605", "Chrome on iPadOS"),
            (
                "(Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/130.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "(Linux; Android 14; SM-S901B) SamsungBrowser/26.0 Chrome/122.0.0.0 Mobile Safari/537.36",
                "Samsung Internet on Android",
            ),
            ("(X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox on Linux"),
        ] {
            assert_eq!(recognise(&format!("Mozilla/5.0 {agent}")).to_string(), expected);
        }
        assert_eq!(recognise("curl/8.5.0").to_string(), "curl on a device");
    }

    #[test]
    fn what_cannot_be_told_is_not_made_up() {
        for agent in ["", "  ", "signet-cli/0.1.0", "<script>", "\u{202e}"] {
            assert_eq!(recognise(agent).to_string(), "a browser on a device", "{agent}");
        }
    }
}
