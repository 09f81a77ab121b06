//! Where the forms of a page may lead, as `form-action` of its policy says it (CSP Level 3 §6.4.1). Chromium holds every
//! redirect that follows a form to it, so that a callback which sends on to another origin ends there
//! (docs/decisions/0027-form-action.md).

use crate::oauth::registration::Registered;

/// Any page that came over TLS.
const WEB: &str = "https:";
/// This machine, at any port: where an application under development sends on to. No source can name `[::1]`.
const HERE: [&str; 3] = ["http://localhost:*", "http://127.0.0.1:*", "http://*.localhost:*"];

/// The sources for `targets`, where the way leads first. What an operator has registered may send on from there; nobody
/// has vouched for the others, whose forms lead to their targets alone.
pub fn sources(registered: Registered, targets: Vec<String>) -> String {
    let mut sources = targets;
    if registered == Registered::Operator && !sources.is_empty() {
        // Only loopback addresses are registered with http.
        let here = sources.iter().any(|target| target.starts_with("http:"));
        sources.push(WEB.to_owned());
        sources.extend(HERE.iter().filter(|_| here).map(|source| (*source).to_owned()));
    }
    sources.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(registered: Registered, target: &str) -> String {
        sources(registered, vec![target.to_owned()])
    }

    #[test]
    fn what_an_operator_registered_may_send_on() {
        let operator = |target| of(Registered::Operator, target);
        assert_eq!(operator("https://a.example"), "https://a.example https:");
        assert_eq!(operator("com.example.app:"), "com.example.app: https:");
        assert_eq!(
            operator("http://localhost:3000"),
            "http://localhost:3000 https: http://localhost:* http://127.0.0.1:* http://*.localhost:*"
        );
        assert_eq!(sources(Registered::Operator, Vec::new()), "");
    }

    #[test]
    fn a_stranger_may_not() {
        for registered in [Registered::Dynamic, Registered::Document] {
            assert_eq!(of(registered, "https://a.example"), "https://a.example");
            assert_eq!(of(registered, "http://localhost:3000"), "http://localhost:3000");
        }
    }
}
