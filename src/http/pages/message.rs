//! The page that says one thing and what to do next.

use serde::Serialize;

use super::view::Link;

/// A page that says one thing and what to do next.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Message {
    /// Heading and title.
    pub heading: String,
    /// What happened.
    pub text: String,
    /// What the reader can do.
    pub remedy: String,
    /// A way on.
    pub next: Option<Link>,
    /// What to quote when asking for help.
    pub trace_id: Option<String>,
    /// Announced at once by screen readers.
    pub urgent: bool,
}

impl Message {
    /// The interaction is over, unknown, or began in another browser (S-017).
    pub fn interaction_expired() -> Self {
        Self::new(
            "This sign\u{2011}in has ended",
            "It took too long, was finished in another tab, or began in another browser.",
            "Go back to the app and start again. Your account is not affected.",
        )
    }

    /// The CSRF token of a form did not match its session.
    pub fn form_expired() -> Self {
        Self::new(
            "This form is out of date",
            "The page was open for too long, or the browser did not send its cookies.",
            "Go back, reload the page and try again. Cookies must be allowed for this site.",
        )
    }

    /// The page is not asked for in this way.
    pub fn not_asked_so() -> Self {
        Self::new(
            "This page does not take that",
            "The request was of a kind that this page does not answer. Nothing was changed.",
            "Go back and open the page anew, by a link or its address.",
        )
    }

    /// The page after signing out, for somebody who is signed in.
    pub fn still_signed_in() -> Self {
        let page = Self::new(
            "You are signed in",
            "There is a session in this browser, so nothing has been signed out here.",
            "If you mean to leave, sign out.",
        );
        let next = Some(Link { href: "/logout".to_owned(), label: "Sign out" });
        Self { urgent: false, next, ..page }
    }

    /// Nobody is signed in, so there is nothing to sign out of.
    pub fn not_signed_in() -> Self {
        Self::new("You are not signed in", "There is no session in this browser.", "You can close this page.")
    }

    /// There is no such page.
    pub fn not_found() -> Self {
        let page = Self::new(
            "There is no such page",
            "The address is wrong or the page has moved.",
            "Check the address.",
        );
        Self {
            urgent: false,
            next: Some(Link { href: "/".to_owned(), label: "Go to the start page" }),
            ..page
        }
    }

    /// There is no such page at a host that only keeps sessions; `issuer` is where the pages are.
    pub fn not_at_this_host(issuer: String) -> Self {
        let next = Some(Link { href: issuer, label: "Go to the sign\u{2011}in server" });
        Self { next, ..Self::not_found() }
    }

    /// The request came under a name that is not one of this server's.
    pub fn unknown_host() -> Self {
        Self::new(
            "This address is not known here",
            "The request came under a host name that this server does not keep sessions at.",
            "Go back to the app and start again. Operators: name the host in browser.hosts, and let the proxy pass on the Host header.",
        )
    }

    /// A browser asked for a sign-in before anybody followed the link, or inside another page.
    pub fn not_navigated() -> Self {
        Self::new(
            "This address is only for following a link",
            "A sign\u{2011}in begins and ends in a page of its own, not in the background and not inside another page.",
            "Go back to the app and start again.",
        )
    }

    /// The same page with a reference to quote.
    pub fn with_trace(self, trace_id: impl Into<String>) -> Self {
        Self { trace_id: Some(trace_id.into()), ..self }
    }

    fn new(heading: &str, text: &str, remedy: &str) -> Self {
        let owned = str::to_owned;
        Self {
            heading: owned(heading),
            text: owned(text),
            remedy: owned(remedy),
            urgent: true,
            ..Self::default()
        }
    }
}
