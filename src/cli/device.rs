//! A browser's name for people, or the name that a program gives itself.

use crate::model::user_agent::{SOME_BROWSER, SOME_DEVICE, recognise};

/// "Chrome on Linux"; what cannot be told is left out.
pub(super) fn name(user_agent: Option<&str>) -> String {
    let Some(agent) = user_agent.map(str::trim).filter(|agent| !agent.is_empty()) else {
        return "unknown device".to_owned();
    };
    let device = recognise(agent);
    match (device.browser, device.system) {
        // A program that names itself: `signet-cli/0.1.0`.
        (SOME_BROWSER, SOME_DEVICE) => {
            agent.split(['/', ' ']).next().unwrap_or(agent).chars().take(30).collect()
        }
        (browser, SOME_DEVICE) => browser.to_owned(),
        _ => device.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn devices_have_names() {
        let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";
        assert_eq!(name(Some(agent)), "Firefox on Linux");
        assert_eq!(name(Some("curl/8.5.0")), "curl");
        assert_eq!(name(Some("signet-cli/0.1.0")), "signet-cli");
        assert_eq!(name(None), "unknown device");
        assert_eq!(name(Some("  ")), "unknown device");
    }
}
