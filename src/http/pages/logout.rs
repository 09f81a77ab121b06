//! The pages of signing out.

use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

use super::view::{Client, Pages};

/// The sign-out question. Posts `csrf`, `request` (if any), `everywhere` (`1` or absent) and `action` (`logout` or
/// `cancel`) to `action` of the page.
#[derive(Clone, Debug)]
pub struct Logout {
    /// Where the form goes: `/logout`, or `/end_session` where a client asks.
    pub action: &'static str,
    /// The CSRF token.
    pub csrf: String,
    /// What the client asked for, to be sent back as it is.
    pub request: Option<String>,
    /// The client that asks.
    pub client: Option<Client>,
    /// The name of the account; `None` where whoever asks has not shown to be its owner here.
    pub account: Option<String>,
    /// Whether to offer signing out on all devices.
    pub offer_everywhere: bool,
}

/// The page after signing out.
#[derive(Clone, Debug, Default)]
pub struct LoggedOut {
    /// All sessions of the account ended, not only this one.
    pub everywhere: bool,
    /// Pages of clients that end their own sessions, loaded out of sight (OpenID Connect Front-Channel Logout §3).
    pub frames: Vec<String>,
    /// Where the way leads on to, by itself once the frames have loaded.
    pub next: Option<String>,
    /// Whose that is, where a person is to decide whether to go there.
    pub leads_to: Option<Destination>,
}

/// Where a way on leads, in words.
#[derive(Clone, Debug, Serialize)]
pub struct Destination {
    /// The client's name. It is the client's own choice.
    pub name: String,
    /// The origin of its address, or its scheme.
    pub place: String,
    /// Whether no operator has registered the client.
    pub unverified: bool,
}

impl Pages {
    /// The sign-out question.
    pub fn logout(&self, page: &Logout) -> String {
        let values = context! {
            action => page.action, csrf => &page.csrf, request => &page.request,
            client => Serde(page.client.as_ref().map(Client::shown)), account => &page.account,
            offer_everywhere => page.offer_everywhere,
        };
        self.render("logout", "Sign out?", false, values)
    }

    /// The page after signing out.
    pub fn logged_out(&self, page: &LoggedOut) -> String {
        let values = context! {
            everywhere => page.everywhere, frames => &page.frames, next => &page.next,
            leads_to => Serde(&page.leads_to),
        };
        self.render("logged_out", "You are signed out", false, values)
    }
}

macro_rules! page {
    ($file:literal) => {
        concat!(include_str!("head.html"), include_str!($file), include_str!("foot.html"))
    };
}

pub(super) const TEMPLATES: [(&str, &str); 2] =
    [("logout", page!("logout.html")), ("logged_out", page!("logged_out.html"))];
