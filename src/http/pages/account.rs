//! The account's pages: one plain struct per page. All of it is shown as text.

use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;

use super::view::Pages;
use super::words::ScopeLine;
use crate::clock::Timestamp;
use crate::model::account::AccountPage;

/// What every page of the account has.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Which page.
    pub page: AccountPage,
    /// The user name.
    pub account: String,
    /// The CSRF token of this page's forms.
    pub csrf: String,
    /// What has just been done.
    pub done: Option<Done>,
    /// What was wrong.
    pub problem: Option<Problem>,
    /// The sign-in is too old for changes, so that the page offers to renew it.
    pub stale: bool,
}

/// What is wrong with a form.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// A sentence that says what to do.
    pub text: String,
    /// The id of the field.
    pub field: Option<&'static str>,
}

impl Problem {
    /// Of a field.
    pub fn of(field: &'static str, text: impl Into<String>) -> Self {
        Self { text: text.into(), field: Some(field) }
    }

    /// Of nothing in particular.
    pub fn general(text: impl Into<String>) -> Self {
        Self { text: text.into(), field: None }
    }
}

/// What can have been done: a fixed list, since the word stands in the address, where anybody can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Names were saved.
    Saved,
    /// The password was changed.
    Password,
    /// A device was signed out.
    Device,
    /// All other devices were.
    Others,
    /// An app lost its access.
    Revoked,
    /// There was nothing left to do.
    Nothing,
}

impl Done {
    const ALL: [Self; 6] =
        [Self::Saved, Self::Password, Self::Device, Self::Others, Self::Revoked, Self::Nothing];

    /// The word in the address.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Saved => "saved",
            Self::Password => "password",
            Self::Device => "device",
            Self::Others => "others",
            Self::Revoked => "revoked",
            Self::Nothing => "nothing",
        }
    }

    /// Reads the word; `None` for any other.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|done| done.word() == word)
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Saved => "Saved. Apps see it with their next token.",
            Self::Password => "Your password is changed. All other devices are signed out.",
            Self::Device => "That device is signed out, with its apps.",
            Self::Others => "All other devices are signed out, with their apps.",
            Self::Revoked => "The app has no access any more.",
            Self::Nothing => "There was nothing left to end: it had ended before.",
        }
    }
}

/// A time, for machines and for people.
#[derive(Clone, Debug, Serialize)]
pub struct Moment {
    iso: String,
    words: String,
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self { iso: at.rfc3339(), words: at.words() }
    }
}

/// Who the user is. Posts `csrf` and the fields to `/account`.
#[derive(Clone, Debug)]
pub struct Profile {
    /// What every page has; its `account` is the user name.
    pub frame: Frame,
    /// The e-mail address.
    pub email: Option<String>,
    /// Whether it is known to be the user's.
    pub email_verified: bool,
    /// Roles.
    pub roles: Vec<String>,
    /// The display claims that have a field here, with their values.
    pub claims: Vec<(&'static str, String)>,
}

/// Changing the password. Posts `csrf`, `current` and `new`, and without scripts `again`, to `/account/password`.
#[derive(Clone, Debug)]
pub struct PasswordForm {
    /// What every page has.
    pub frame: Frame,
    /// Fewest characters of a new password.
    pub shortest: usize,
}

/// A device of the list.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceLine {
    /// What to sign out: the session's public id.
    pub session: String,
    /// Such as "Firefox on Linux".
    pub name: String,
    /// The browser that shows the page.
    pub current: bool,
    /// Whether the browser is signed in itself.
    pub signed_in: bool,
    /// Where it is: a place, else an address.
    pub place: Option<String>,
    /// Since when.
    pub since: Moment,
    /// When it was last seen.
    pub seen: Moment,
    /// The apps that were begun there.
    pub apps: Vec<String>,
}

/// The devices. Posts `csrf`, `action` (`one`, `others`, `all`) and `session` to `/account/sessions`.
#[derive(Clone, Debug)]
pub struct Sessions {
    /// What every page has.
    pub frame: Frame,
    /// The devices.
    pub devices: Vec<DeviceLine>,
    /// Whether there are more.
    pub more: bool,
}

/// An application of the list.
#[derive(Clone, Debug, Serialize)]
pub struct ApplicationLine {
    /// Its id.
    pub client: String,
    /// Its name.
    pub name: String,
    /// Whether it belongs to this service.
    pub first_party: bool,
    /// What it may do.
    pub scopes: Vec<ScopeLine>,
    /// Since when.
    pub since: Moment,
    /// When it last used that.
    pub used: Option<Moment>,
    /// The link that begins a sign-in at it.
    pub open: Option<String>,
}

/// The applications. Posts `csrf`, `action` (`revoke`) and `client` to `/account/applications`.
#[derive(Clone, Debug)]
pub struct Applications {
    /// What every page has.
    pub frame: Frame,
    /// The applications.
    pub applications: Vec<ApplicationLine>,
    /// Whether there are more.
    pub more: bool,
}

/// An entry of the activity.
#[derive(Clone, Debug, Serialize)]
pub struct ActivityLine {
    /// When.
    pub at: Moment,
    /// What, in a sentence.
    pub what: String,
    /// By whom.
    pub who: String,
    /// From which device and place.
    pub from: Option<String>,
    /// Which device was signed out.
    pub device: Option<String>,
    /// Whether it concerns the account's safety.
    pub marked: bool,
    /// What finds the request in the server's log.
    pub reference: Option<String>,
}

/// The activity.
#[derive(Clone, Debug)]
pub struct Activity {
    /// What every page has.
    pub frame: Frame,
    /// Newest first.
    pub entries: Vec<ActivityLine>,
    /// The cursor of the next page.
    pub next: Option<String>,
}

#[derive(Serialize)]
struct NavItem {
    href: &'static str,
    label: &'static str,
    current: bool,
}

/// Label, what browsers may fill in, and a hint.
#[derive(Serialize)]
struct Field<'a> {
    name: &'static str,
    label: &'static str,
    autocomplete: &'static str,
    hint: Option<&'static str>,
    value: &'a str,
}

const fn label(page: AccountPage) -> &'static str {
    match page {
        AccountPage::Profile => "Profile",
        AccountPage::Password => "Password",
        AccountPage::Sessions => "Devices",
        AccountPage::Applications => "Apps",
        AccountPage::Activity => "Activity",
    }
}

const fn heading(page: AccountPage) -> &'static str {
    match page {
        AccountPage::Profile => "Your account",
        AccountPage::Password => "Change your password",
        AccountPage::Sessions => "Your devices",
        AccountPage::Applications => "Apps with access",
        AccountPage::Activity => "Account activity",
    }
}

fn field<'a>(name: &'static str, value: &'a str) -> Field<'a> {
    let (label, autocomplete, hint) = match name {
        "name" => ("Full name", "name", None),
        "given_name" => ("First name", "given-name", None),
        "family_name" => ("Last name", "family-name", None),
        "nickname" => ("Nickname", "nickname", None),
        "zoneinfo" => ("Time zone", "off", Some("Such as Europe/Berlin.")),
        "locale" => ("Language", "language", Some("Such as en or de-CH.")),
        other => (other, "off", None),
    };
    Field { name, label, autocomplete, hint, value }
}

impl Pages {
    /// Who the user is.
    pub fn account_profile(&self, page: &Profile) -> String {
        let fields: Vec<_> = page.claims.iter().map(|(name, value)| field(name, value)).collect();
        let own = context! {
            username => &page.frame.account, email => &page.email, email_verified => page.email_verified,
            roles => Serde(&page.roles), fields => Serde(&fields),
        };
        self.account("account_profile", &page.frame, own)
    }

    /// Changing the password.
    pub fn account_password(&self, page: &PasswordForm) -> String {
        self.account("account_password", &page.frame, context! { shortest => page.shortest })
    }

    /// The devices.
    pub fn account_sessions(&self, page: &Sessions) -> String {
        let own = context! { devices => Serde(&page.devices), more => page.more };
        self.account("account_sessions", &page.frame, own)
    }

    /// The applications.
    pub fn account_applications(&self, page: &Applications) -> String {
        let own = context! { applications => Serde(&page.applications), more => page.more };
        self.account("account_applications", &page.frame, own)
    }

    /// The activity.
    pub fn account_activity(&self, page: &Activity) -> String {
        let own = context! { entries => Serde(&page.entries), next => &page.next };
        self.account("account_activity", &page.frame, own)
    }

    fn account(&self, name: &str, frame: &Frame, own: Value) -> String {
        let item = |page: AccountPage| NavItem {
            href: page.path(),
            label: label(page),
            current: page == frame.page,
        };
        let nav: Vec<_> = AccountPage::ALL.into_iter().map(item).collect();
        let values = context! {
            heading => heading(frame.page), path => frame.page.path(), account => &frame.account, csrf => &frame.csrf,
            done => frame.done.map(Done::text), error => Serde(&frame.problem), stale => frame.stale,
            nav => Serde(&nav), ..own
        };
        let heading = heading(frame.page);
        let title = match (&frame.problem, frame.done) {
            (Some(_), _) => format!("Nothing was changed · {heading}"),
            (None, Some(Done::Nothing)) => format!("Nothing left to do · {heading}"),
            (None, Some(_)) => format!("Done · {heading}"),
            (None, None) => heading.to_owned(),
        };
        self.render(name, &title, true, values)
    }
}

macro_rules! page {
    ($file:literal) => {
        concat!(
            include_str!("head.html"),
            include_str!("account_head.html"),
            include_str!($file),
            include_str!("foot.html")
        )
    };
}

/// The templates of these pages.
pub(super) const TEMPLATES: [(&str, &str); 5] = [
    ("account_profile", page!("account_profile.html")),
    ("account_password", page!("account_password.html")),
    ("account_sessions", page!("account_sessions.html")),
    ("account_applications", page!("account_applications.html")),
    ("account_activity", page!("account_activity.html")),
];
