//! The pages people see: server-rendered HTML that is complete without JavaScript, and the files it uses.
//!
//! Nothing here knows about requests or cookies: a page is a plain struct, rendering it gives a `String`. The pages hold
//! no inline script and no inline style, so they work under `default-src 'none'`.
//! Every value is escaped by the template engine; no template marks anything as safe.

pub mod account;
pub mod assets;
pub mod client;
pub mod form_post;
pub mod logout;
pub mod message;
pub mod view;
pub mod words;

/// The templates of the pages that have a file of their own.
fn more_templates() -> impl Iterator<Item = (&'static str, &'static str)> {
    account::TEMPLATES.into_iter().chain(form_post::TEMPLATES).chain(logout::TEMPLATES)
}

#[cfg(test)]
mod account_tests;
#[cfg(test)]
mod tests;
