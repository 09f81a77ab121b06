//! Where the users of a classic web application sign in, and how far the cookie of their session reaches.

use super::policy::BrowserPolicy;
use crate::oauth::client_metadata::ClientMetadata;
use crate::oauth::client_rules::SESSION_CALLBACK;
use crate::oauth::page::{Page, host_of, is_within};
use crate::oauth::redirect_uri::RedirectUri;

/// A host of ours at which users of one application sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Its origin.
    pub host: &'a str,
    /// The domain of the cookie; none where it belongs to the host alone.
    pub domain: Option<&'a str>,
}

/// The place whose cookie reaches a page: the host of the page itself, or else one under a cookie domain that holds both.
/// A sign-in anywhere else would send the browser back without a cookie, and round and round.
pub fn place_for<'a>(
    policy: &'a BrowserPolicy,
    client: &'a ClientMetadata,
    page: &Page,
) -> Option<Place<'a>> {
    let name = host_of(page.origin())?;
    let places = places(policy, client).filter(|place| scheme(place.host) == scheme(page.origin()));
    let places: Vec<_> = places.collect();
    let own = places.iter().find(|place| host_of(place.host).as_ref() == Some(&name));
    let shared = || places.iter().find(|place| place.domain.is_some_and(|domain| is_within(&name, domain)));
    own.or_else(shared).copied()
}

/// The domain that the cookie set at `host` is for. It is kept to the host itself unless the application has pages at
/// another one: a wider cookie reaches hosts that have nothing to do with it.
pub fn domain<'a>(policy: &'a BrowserPolicy, client: &ClientMetadata, host: &str) -> Option<&'a str> {
    let name = host_of(host)?;
    let elsewhere = |domain: &str| {
        let mut pages = client.allowed_origins.iter().filter_map(|origin| host_of(origin));
        pages.any(|page| page != name && is_within(&page, domain))
    };
    let mut domains = policy.cookie_domains.iter().map(String::as_str);
    domains.find(|domain| is_within(&name, domain) && elsewhere(domain))
}

/// The callbacks at which an application with pages at these origins signs in: at the host of the page itself where that
/// is one of ours, or else at one that shares a cookie domain with it.
///
/// # Errors
/// The origin that no host of ours could set a cookie for.
pub fn callbacks(policy: &BrowserPolicy, origins: &[String]) -> Result<Vec<String>, String> {
    let mut callbacks = Vec::new();
    for origin in origins {
        let name = host_of(origin).ok_or_else(|| origin.clone())?;
        let mut domains = policy.cookie_domains.iter().filter(|domain| is_within(&name, domain));
        let hosts = || policy.hosts.iter().filter(|host| scheme(host) == scheme(origin));
        let named = |host: &String| host_of(host).unwrap_or_default();
        let own = hosts().find(|host| named(host) == name);
        let shared = || domains.find_map(|domain| hosts().find(|host| is_within(&named(host), domain)));
        let host = own.or_else(shared).ok_or_else(|| origin.clone())?;
        let callback = format!("{host}{SESSION_CALLBACK}");
        if !callbacks.contains(&callback) {
            callbacks.push(callback);
        }
    }
    Ok(callbacks)
}

/// The hosts of ours that the application has registered its callback at.
fn places<'a>(policy: &'a BrowserPolicy, client: &'a ClientMetadata) -> impl Iterator<Item = Place<'a>> {
    let callbacks = client.redirect_uris.iter().map(RedirectUri::as_str);
    let ours = callbacks.filter(|uri| policy.is_callback(uri));
    let hosts = ours.filter_map(|uri| uri.strip_suffix(SESSION_CALLBACK));
    hosts.map(|host| Place { host, domain: domain(policy, client, host) })
}

fn scheme(origin: &str) -> Option<&str> {
    origin.split_once("://").map(|(scheme, _)| scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(hosts: &[&str], origins: &[&str]) -> ClientMetadata {
        let callbacks = hosts.iter().map(|host| format!("{host}{SESSION_CALLBACK}"));
        let json = serde_json::json!({
            "client_class": "cookie",
            "forward_auth": true,
            "token_endpoint_auth_method": "none",
            "redirect_uris": callbacks.collect::<Vec<_>>(),
            "allowed_origins": origins,
        });
        ClientMetadata::from_json(&json).unwrap()
    }

    fn policy(hosts: &[&str], domains: &[&str]) -> BrowserPolicy {
        let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        BrowserPolicy { hosts: owned(hosts), cookie_domains: owned(domains) }
    }

    fn place<'a>(policy: &'a BrowserPolicy, client: &'a ClientMetadata, page: &str) -> Option<Place<'a>> {
        place_for(policy, client, &Page::parse(page).unwrap())
    }

    const WIKI: &str = "https://wiki.example.com";
    const AUTH: &str = "https://auth.example.com";

    #[test]
    fn a_host_per_application_keeps_its_cookie_to_itself() {
        // Also where a cookie domain would allow more: another application may need it.
        for domains in [&[][..], &["example.com"]] {
            let (policy, client) = (policy(&[AUTH, WIKI], domains), metadata(&[WIKI], &[WIKI]));
            let expected = Place { host: WIKI, domain: None };
            assert_eq!(place(&policy, &client, "https://wiki.example.com/page"), Some(expected));
            assert_eq!(place(&policy, &client, "https://wiki.example.com:8443/"), Some(expected));
        }
    }

    #[test]
    fn a_cookie_domain_reaches_the_sub_domains() {
        let policy = policy(&[AUTH], &["other.com", "example.com"]);
        let client = metadata(&[AUTH], &[WIKI, "https://mail.example.com"]);
        let expected = Place { host: AUTH, domain: Some("example.com") };
        for page in ["https://wiki.example.com/", "https://mail.example.com/", "https://auth.example.com/"] {
            assert_eq!(place(&policy, &client, page), Some(expected), "{page}");
        }
        for page in ["https://wiki.other.com/", "https://notexample.com/", "http://wiki.example.com/"] {
            assert_eq!(place(&policy, &client, page), None, "{page}");
        }
    }

    #[test]
    fn of_several_root_domains_each_has_its_own() {
        let other = "https://auth.other.com";
        let policy = policy(&[AUTH, other], &["example.com", "other.com"]);
        let client = metadata(&[AUTH, other], &[WIKI, "https://wiki.other.com"]);
        let host = |page| place(&policy, &client, page).map(|place| place.host);
        assert_eq!(host("https://wiki.example.com/"), Some(AUTH));
        assert_eq!(host("https://wiki.other.com/"), Some(other));
    }

    #[test]
    fn an_application_registers_where_its_cookie_can_be_set() {
        let policy = policy(&[AUTH, WIKI], &["example.com"]);
        let of = |origins: &[&str]| {
            callbacks(&policy, &origins.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(of(&[WIKI]).unwrap(), [format!("{WIKI}/session/callback")]);
        let mail = ["https://mail.example.com", "https://docs.example.com"];
        assert_eq!(of(&mail).unwrap(), [format!("{AUTH}/session/callback")]);
        assert_eq!(of(&[WIKI, "https://wiki.other.com"]).unwrap_err(), "https://wiki.other.com");
        assert_eq!(of(&["http://wiki.example.com"]).unwrap_err(), "http://wiki.example.com");
    }

    #[test]
    fn where_no_cookie_would_reach_there_is_no_place() {
        let client = metadata(&[AUTH], &[WIKI]);
        assert_eq!(place(&policy(&[AUTH], &[]), &client, "https://wiki.example.com/"), None);
        // The callback's host is none of ours any more.
        assert_eq!(place(&policy(&[WIKI], &["example.com"]), &client, "https://wiki.example.com/"), None);
    }
}
