//! One plain struct per page, and [`Pages`], which turns them into HTML.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use serde::Serialize;

pub use super::client::Client;
use super::client::{authority, parsed};
pub use super::message::Message;
use super::words::{self, ErrorWords, ScopeLine};

/// What every page says about the server it comes from.
#[derive(Clone, Debug, Serialize)]
pub struct Site {
    /// The name at the top of each page.
    pub name: String,
    /// The issuer identifier.
    pub issuer: String,
    /// The host that people should see in their address bar, with a port that is not the scheme's default.
    host: String,
}

impl Site {
    /// A site with this name and issuer.
    pub fn new(name: impl Into<String>, issuer: impl Into<String>) -> Self {
        let issuer = issuer.into();
        let host = parsed(&issuer).map_or_else(|| issuer.clone(), |url| authority(&url));
        Self { name: name.into(), issuer, host }
    }
}

/// Why the sign-in form is shown again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginProblem {
    /// Unknown user, wrong password, disabled account: one text for all (S-070).
    Refused,
    /// No user name was sent.
    UsernameMissing,
    /// No password was sent.
    PasswordMissing,
    /// Too many attempts; the next may succeed after this many seconds.
    Throttled(u64),
    /// The password was right; the account is signed in in as many browsers as allowed, this many.
    Full(u32),
    /// The password queue is full; nothing was checked.
    Busy,
}

/// The sign-in page. Posts `csrf`, `interaction`, `username`, `password`, `remember` (`1` or absent) and `action`
/// (`login` or `cancel`) to `/login`.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// The CSRF token.
    pub csrf: String,
    /// The handle of the interaction.
    pub interaction: String,
    /// The user name to begin with: `login_hint`, or what was typed before.
    pub username: String,
    /// Why the form is shown again.
    pub problem: Option<LoginProblem>,
    /// The client that asks.
    pub client: Option<Client>,
    /// The host of a client that no operator has registered.
    pub unverified: Option<String>,
    /// Whether to offer “Keep me signed in”.
    pub offer_remember: bool,
    /// Whether that box is ticked.
    pub remember: bool,
    /// Somebody is signed in, or was elsewhere, and has to give the password again (`prompt=login`, `max_age`, a sign-in that
    /// is not fresh enough).
    pub again: bool,
}

/// The consent page. Posts `csrf`, `interaction` and `action` (`approve` or `deny`) to `/consent`.
#[derive(Clone, Debug, Default)]
pub struct Consent {
    /// The CSRF token.
    pub csrf: String,
    /// The handle of the interaction.
    pub interaction: String,
    /// The client that asks.
    pub client: Client,
    /// The name of the account that access is asked to.
    pub account: String,
    /// What it asks for.
    pub scopes: Vec<ScopeLine>,
    /// The APIs at which it may do that, by name.
    pub apis: Vec<ScopeLine>,
    /// For how long: see [`words::duration`].
    pub duration: String,
    /// The origins of the pages (or the scheme, for an app on the device) that the person comes back to.
    pub returns_to: Vec<String>,
    /// The host of a client that no operator has registered.
    pub unverified: Option<String>,
}

/// A link within this server.
#[derive(Clone, Debug, Serialize)]
pub struct Link {
    /// A path of this server, or an address at its own issuer.
    pub href: String,
    /// What the link says.
    pub label: &'static str,
}

/// The error page, for errors that must not be sent to a redirect URI (RFC 6749 §4.1.2.1).
#[derive(Clone, Debug, Default)]
pub struct ErrorPage {
    /// The error code.
    pub code: String,
    /// The error description.
    pub description: Option<String>,
    /// What to quote when asking for help; finds the log line.
    pub trace_id: String,
    /// For a redirect URI that is not registered: set in development only.
    pub mismatch: Option<RedirectMismatch>,
}

/// What a developer needs to mend a redirect URI.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RedirectMismatch {
    /// As received.
    pub received: String,
    /// As registered.
    pub registered: Vec<String>,
    /// The registered one that looks most like it.
    pub nearest: Option<String>,
    /// The command that registers the received one.
    pub command: Option<String>,
}

/// The page at `/`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Index {
    /// Whether the demo is served.
    pub demo: bool,
}

/// The templates do not parse: cannot happen in a build whose tests passed.
#[derive(Debug)]
pub struct TemplateError(minijinja::Error);

impl std::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "page template: {}", self.0)
    }
}

impl std::error::Error for TemplateError {}

/// The pages, with their templates parsed once.
#[derive(Debug)]
pub struct Pages {
    templates: Environment<'static>,
    site: Site,
}

impl Pages {
    /// Parses the templates.
    pub fn new(site: Site) -> Result<Self, TemplateError> {
        let mut templates = Environment::new();
        templates.set_auto_escape_callback(|_| AutoEscape::Html);
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        let syntax = SyntaxConfig::builder().trim_blocks(true).build().map_err(TemplateError)?;
        templates.set_syntax(syntax);
        for (name, source) in TEMPLATES.into_iter().chain(super::more_templates()) {
            templates.add_template(name, source).map_err(TemplateError)?;
        }
        Ok(Self { templates, site })
    }

    /// The sign-in page.
    pub fn login(&self, page: &Login) -> String {
        let problem = page.problem.map(ShownProblem::from);
        let title = match (&problem, page.again) {
            (Some(_), true) => "Not confirmed",
            (Some(_), false) => "Not signed in",
            (None, true) => "Confirm that it is you",
            (None, false) => "Sign in",
        };
        let values = context! {
            csrf => &page.csrf, interaction => &page.interaction, username => &page.username, problem => Serde(&problem),
            client => Serde(page.client.as_ref().map(Client::shown)), offer_remember => page.offer_remember,
            remember => page.remember, again => page.again,
            unverified => &page.unverified,
        };
        self.render("login", title, false, values)
    }

    /// The consent page.
    pub fn consent(&self, page: &Consent) -> String {
        let values = context! {
            csrf => &page.csrf, interaction => &page.interaction, client => Serde(page.client.shown()), account => &page.account,
            scopes => Serde(&page.scopes), apis => Serde(&page.apis), duration => &page.duration, returns_to => &page.returns_to,
            unverified => &page.unverified,
        };
        self.render("consent", &format!("Allow {}?", page.client.name), false, values)
    }

    /// The error page.
    pub fn error(&self, page: &ErrorPage) -> String {
        let words: ErrorWords = words::error_words(&page.code);
        let values = context! {
            code => &page.code, description => &page.description, trace_id => &page.trace_id, words => Serde(words),
            mismatch => Serde(&page.mismatch),
        };
        self.render("error", words.heading, page.mismatch.is_some(), values)
    }

    /// A page that says one thing.
    pub fn message(&self, page: &Message) -> String {
        self.render("message", &page.heading, false, Value::from(Serde(page)))
    }

    /// The page at `/`.
    pub fn index(&self, page: &Index) -> String {
        let values = context! { demo => page.demo, version => env!("CARGO_PKG_VERSION") };
        self.render("index", "Sign-in server", true, values)
    }

    pub(super) fn render(&self, name: &str, title: &str, wide: bool, page: Value) -> String {
        let values = context! { title => title, wide => wide, site => Serde(&self.site), page => page };
        self.templates.get_template(name).and_then(|template| template.render(values)).unwrap_or_else(
            |error| {
                tracing::error!(page = name, %error, "a page could not be rendered");
                FALLBACK.to_owned()
            },
        )
    }
}

/// Sent when a template fails, so that a person never faces an empty page.
const FALLBACK: &str = "<!DOCTYPE html><html lang=\"en\"><title>Error</title><h1>Something broke on our side</h1>\
                        <p><code id=\"oauth-error\">server_error</code></p><p>Try again in a minute.</p></html>";

macro_rules! page {
    ($file:literal) => {
        concat!(include_str!("head.html"), include_str!($file), include_str!("foot.html"))
    };
}

const TEMPLATES: [(&str, &str); 5] = [
    ("login", page!("login.html")),
    ("consent", page!("consent.html")),
    ("error", page!("error.html")),
    ("message", page!("message.html")),
    ("index", page!("index.html")),
];

#[derive(Serialize)]
struct ShownProblem {
    text: String,
    field: Option<&'static str>,
}

fn full(most: u32) -> String {
    let browsers = if most == 1 { "one browser".to_owned() } else { format!("{most} browsers") };
    format!(
        "Your password is right, but you may be signed in in {browsers} at once, and you are already. Sign out in one \
         of them, then sign in here again. If you cannot get at any of them, ask the people who run this server."
    )
}

impl From<LoginProblem> for ShownProblem {
    fn from(problem: LoginProblem) -> Self {
        let (text, field) = match problem {
            LoginProblem::Refused => {
                ("User name or password is wrong. Check both and try again.".to_owned(), Some("password"))
            }
            LoginProblem::UsernameMissing => ("Enter your user name or e-mail.".to_owned(), Some("username")),
            LoginProblem::PasswordMissing => ("Enter your password.".to_owned(), Some("password")),
            LoginProblem::Throttled(seconds) => {
                (format!("Too many attempts. Wait {} and try again.", words::span(seconds.max(1))), None)
            }
            LoginProblem::Full(most) => (full(most), None),
            LoginProblem::Busy => {
                ("The server is busy. Your password was not checked. Try again.".to_owned(), None)
            }
        };
        Self { text, field }
    }
}
