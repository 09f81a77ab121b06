//! Which URLs may be asked, before anything is resolved or connected.

use std::net::IpAddr;

use url::{Host, Url};

use super::FetchError;
use super::address::{Reach, reach};

/// Longest URL, in bytes.
const LONGEST: usize = 2048;

/// A URL that may be asked, if its name leads to where it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) url: Url,
    /// `name:port`, which stands and falls as one.
    pub(super) host: String,
    /// Whether the operator has said that it may be at a private address.
    pub(super) may_be_private: bool,
}

/// Judges a URL. `private_hosts` are `name` or `name:port`, names as URLs write them.
pub(super) fn judge(text: &str, private_hosts: &[String]) -> Result<Target, FetchError> {
    if text.len() > LONGEST {
        return Err(FetchError::Forbidden("its address is too long"));
    }
    // What parsers drop or turn around (tabs, line feeds, backslashes) reads differently to people.
    if text.contains('\\') || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(FetchError::Forbidden("its address has characters that no URL has"));
    }
    let mut url = Url::parse(text).map_err(|_| FetchError::Forbidden("its address is no URL"))?;
    url.set_fragment(None);
    if !url.username().is_empty() || url.password().is_some() {
        return Err(FetchError::Forbidden("its address has credentials"));
    }
    let (Some(name), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(FetchError::Forbidden("its address has no host"));
    };
    let host = format!("{name}:{port}");
    let may_be_private = private_hosts.iter().any(|listed| *listed == name || *listed == host);
    match url.scheme() {
        "https" => {}
        "http" if may_be_private && is_this_machine(url.host()) => {}
        _ => return Err(FetchError::Forbidden("its address is not https")),
    }
    if let Some(address) = literal(url.host())
        && !is_allowed(address, may_be_private)
    {
        return Err(FetchError::Forbidden("its address is not public"));
    }
    Ok(Target { url, host, may_be_private })
}

/// Whether an address may be connected to.
pub(super) fn is_allowed(address: IpAddr, may_be_private: bool) -> bool {
    match reach(address) {
        Reach::Public => true,
        Reach::Private => may_be_private,
        Reach::Never => false,
    }
}

/// Whether a name is one for this machine, whatever a resolver says (RFC 6761 §6.3).
pub(super) fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.strip_suffix(".localhost").is_some_and(|label| !label.is_empty())
}

/// The address that a host is, which nobody is asked to resolve. The URL parser has undone all spellings.
fn literal(host: Option<Host<&str>>) -> Option<IpAddr> {
    match host? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

fn is_this_machine(host: Option<Host<&str>>) -> bool {
    match host {
        Some(Host::Domain(name)) => is_localhost(name),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(hosts: &[&str]) -> Vec<String> {
        hosts.iter().map(|host| (*host).to_owned()).collect()
    }

    #[test]
    fn https_to_a_name_or_a_public_address_may_be_asked() {
        for (url, host) in [
            ("https://rp.example.com/keys", "rp.example.com:443"),
            ("https://rp.example.com:8443/keys?x=1", "rp.example.com:8443"),
            ("https://RP.example.com", "rp.example.com:443"),
            ("https://8.8.8.8/", "8.8.8.8:443"),
            ("https://[2606:4700:4700::1111]/", "[2606:4700:4700::1111]:443"),
            // Where these lead is for the resolver to find out.
            ("https://localhost/", "localhost:443"),
            ("https://intranet/", "intranet:443"),
        ] {
            let target = judge(url, &[]).unwrap();
            assert_eq!((target.host.as_str(), target.may_be_private), (host, false), "{url}");
        }
        assert_eq!(judge("https://a.example/x#y", &[]).unwrap().url.as_str(), "https://a.example/x");
    }

    #[test]
    fn private_addresses_are_refused_in_every_spelling() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "0",
            "0.0.0.0",
            "10.0.0.1",
            "0xa.0.0.1",
            "192.168.1.1",
            "3232235777",
            "172.16.0.1",
            "169.254.169.254",
            "0xa9fea9fe",
            "2852039166",
            "0251.0376.0251.0376",
            "[::1]",
            "[::]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::ffff:169.254.169.254]",
            "[::127.0.0.1]",
            "[64:ff9b::10.0.0.1]",
            "[2002:7f00:1::]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "[fc00::1]",
        ] {
            let url = format!("https://{host}/latest/meta-data");
            assert_eq!(judge(&url, &[]), Err(FetchError::Forbidden("its address is not public")), "{url}");
        }
    }

    #[test]
    fn what_is_no_plain_https_url_is_refused() {
        for url in [
            "http://rp.example.com/",
            "http://127.0.0.1/",
            "http://localhost/",
            "ftp://rp.example.com/",
            "file:///etc/passwd",
            "data:application/json,{}",
            "gopher://127.0.0.1/",
            "unix:/run/docker.sock",
            "javascript:1",
            "//rp.example.com/",
            "/keys",
            "",
            "https://",
            "https://user@rp.example.com/",
            "https://:secret@rp.example.com/",
            "https://rp.example.com\\@127.0.0.1/",
            "https:\\\\rp.example.com/",
            "https://rp.exa\tmple.com/",
            "https://rp.example.com/\n",
            " https://rp.example.com/",
            "https://rp。example.com/",
            "https://rp.example.com:99999/",
            "https://1.2.3.4.5/",
            "https://[::1",
            "https://0x7g.1/",
            &format!("https://rp.example.com/{}", "x".repeat(2048)),
        ] {
            assert!(matches!(judge(url, &[]), Err(FetchError::Forbidden(_))), "{url}");
        }
    }

    #[test]
    fn a_listed_host_may_be_private_and_nothing_more() {
        let hosts =
            listed(&["rp.internal", "localhost:8080", "127.0.0.1", "10.0.0.7", "169.254.169.254", "[::1]"]);
        for url in [
            "https://rp.internal/",
            "https://rp.internal:444/",
            "http://localhost:8080/",
            "https://localhost:8080/",
            "http://127.0.0.1:1/",
            "https://10.0.0.7/",
            "http://[::1]:9/",
        ] {
            assert!(judge(url, &hosts).is_ok_and(|target| target.may_be_private), "{url}");
        }
        for url in [
            // Plain http is for this machine.
            "http://rp.internal/",
            "http://10.0.0.7/",
            "http://localhost:8081/",
            "http://a.localhost:8080/",
            "http://127.0.0.2/",
            "https://10.0.0.8/",
            "https://169.254.169.254/",
        ] {
            assert!(matches!(judge(url, &hosts), Err(FetchError::Forbidden(_))), "{url}");
        }
        assert!(!judge("https://localhost:8081/", &hosts).unwrap().may_be_private);
        assert!(!judge("https://x.rp.internal/", &hosts).unwrap().may_be_private);
        assert!(!judge("https://rp.internal./", &hosts).unwrap().may_be_private);
    }
}
