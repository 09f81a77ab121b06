//! The page that carries an authorization response in a form (OAuth 2.0 Form Post Response Mode §2). A script of ours
//! presses its button; without scripts the person does.

use minijinja::context;
use minijinja::value::Serde;

use super::view::Pages;

/// The page. Posts its fields, as they are, to the redirect URI.
#[derive(Clone, Debug, Default)]
pub struct FormPost {
    /// The redirect URI.
    pub action: String,
    /// Names and values.
    pub fields: Vec<(String, String)>,
}

impl Pages {
    /// The page that carries an authorization response.
    pub fn form_post(&self, page: &FormPost) -> String {
        let values = context! { action => &page.action, fields => Serde(&page.fields) };
        self.render("form_post", "One moment", false, values)
    }
}

/// The template of this page.
pub(super) const TEMPLATES: [(&str, &str); 1] = [(
    "form_post",
    concat!(include_str!("head.html"), include_str!("form_post.html"), include_str!("foot.html")),
)];
