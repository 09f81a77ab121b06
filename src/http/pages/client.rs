//! What pages show of a client: name, logo, links.

use serde::Serialize;
use url::Url;

/// What a page shows of the client that began the interaction. All of it comes from the client's registration, so none
/// of it is trusted: texts are escaped, and links that are not `http` or `https` are left out.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// `client_name`, or the client's id.
    pub name: String,
    /// The host that the answer goes to; shown, since a name can be anything.
    pub host: Option<String>,
    /// `logo_uri` (RFC 7591 §2): `https`, `data:image/…` or a path of this server; any other is not shown.
    pub logo_uri: Option<String>,
    /// `policy_uri`.
    pub policy_uri: Option<String>,
    /// `tos_uri`.
    pub tos_uri: Option<String>,
}

impl Client {
    /// The origin that `img-src` of the page's content security policy has to name for the logo to be shown; `None` when
    /// `'self' data:` will do. Without it the page is complete, with the logo's place empty.
    pub fn logo_origin(&self) -> Option<String> {
        let url = parsed(self.logo_uri.as_deref()?).filter(|url| url.scheme() == "https")?;
        Some(format!("{}://{}", url.scheme(), authority(&url)))
    }

    pub(super) fn shown(&self) -> ShownClient {
        ShownClient {
            initial: self
                .name
                .chars()
                .find(|c| c.is_alphanumeric())
                .map_or_else(String::new, |c| c.to_uppercase().collect()),
            name: self.name.clone(),
            host: self.host.clone(),
            logo: self.logo_uri.as_deref().and_then(image),
            policy: self.policy_uri.as_deref().and_then(parsed).map(String::from),
            tos: self.tos_uri.as_deref().and_then(parsed).map(String::from),
        }
    }
}

/// The client as the templates see it.
#[derive(Serialize)]
pub(super) struct ShownClient {
    name: String,
    initial: String,
    host: Option<String>,
    logo: Option<String>,
    policy: Option<String>,
    tos: Option<String>,
}

/// An absolute `http` or `https` address: anything else (`javascript:` above all) never becomes a link.
pub(super) fn parsed(uri: &str) -> Option<Url> {
    Url::parse(uri).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some())
}

/// The host, with a port that is not the scheme's default.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// What `src` of a logo may hold: an address, an embedded picture, or a path of this server.
fn image(uri: &str) -> Option<String> {
    let own = uri.starts_with('/') && !uri.starts_with("//") && !uri.starts_with("/\\");
    let embedded = uri.starts_with("data:image/");
    if own || embedded {
        return Some(uri.to_owned());
    }
    // A page that came by https shows nothing that whoever is on the way can change.
    parsed(uri).filter(|url| url.scheme() == "https").map(String::from)
}
