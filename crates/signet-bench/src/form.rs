//! Reads one form out of a page: enough HTML for pages that Signet renders itself, no more.

/// A form as a browser would send it: where to, and what it carries before anyone types.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// The `action` attribute; empty means the page's own address.
    pub(crate) action: String,
    /// Hidden inputs, then the named button.
    pub(crate) fields: Vec<(String, String)>,
}

/// The form with this id and, where the button with the id `button` has a name, its name and value.
pub(crate) fn scrape(page: &str, form_id: &str, button: &str) -> Option<Form> {
    let mut tags = Tags { rest: page };
    let form = tags.by_ref().find(|tag| tag.name == "form" && tag.get("id").as_deref() == Some(form_id))?;
    let mut fields = Vec::new();
    let mut pressed = None;
    for tag in tags {
        let named = || Some((tag.get("name")?, tag.get("value").unwrap_or_default()));
        match tag.name {
            "/form" => break,
            "input" if tag.get("type").is_some_and(|kind| kind.eq_ignore_ascii_case("hidden")) => {
                fields.extend(named());
            }
            "button" | "input" if tag.get("id").as_deref() == Some(button) => pressed = named(),
            _ => {}
        }
    }
    fields.extend(pressed);
    Some(Form { action: form.get("action").unwrap_or_default(), fields })
}

/// Fields as the body of a form.
pub(crate) fn encode(fields: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

struct Tag<'a> {
    name: &'a str,
    attributes: &'a str,
}

impl Tag<'_> {
    fn get(&self, wanted: &str) -> Option<String> {
        let mut rest = self.attributes.trim_start();
        while !rest.is_empty() {
            let name_end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
            let (name, after) = rest.split_at(name_end);
            let after = after.trim_start();
            let (value, after) = match after.strip_prefix('=') {
                Some(value) => split_value(value.trim_start()),
                None => ("", after),
            };
            if name.eq_ignore_ascii_case(wanted) {
                return Some(unescape(value));
            }
            rest = if name.is_empty() { after.get(1..).unwrap_or_default() } else { after }.trim_start();
        }
        None
    }
}

fn split_value(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(quoted) = text.strip_prefix(quote) {
            return quoted.split_once(quote).unwrap_or((quoted, ""));
        }
    }
    text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()))
}

struct Tags<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        loop {
            let (_, tag) = self.rest.split_once('<')?;
            if let Some(comment) = tag.strip_prefix("!--") {
                self.rest = comment.split_once("-->").map_or("", |(_, rest)| rest);
                continue;
            }
            let end = tag_end(tag)?;
            let (inside, rest) = tag.split_at(end);
            self.rest = rest;
            let inside = inside.trim_end_matches('/');
            let name_end = inside.find(char::is_whitespace).unwrap_or(inside.len());
            let (name, attributes) = inside.split_at(name_end);
            return Some(Tag { name, attributes });
        }
    }
}

/// Where the tag's `>` is: one inside quotes is text.
fn tag_end(tag: &str) -> Option<usize> {
    let mut quote = None;
    tag.char_indices().find_map(|(at, c)| {
        match (quote, c) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
        None
    })
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let decoded = after.split_once(';').and_then(|(name, tail)| Some((entity(name)?, tail)));
        match decoded {
            Some((c, tail)) => {
                out.push(c);
                rest = tail;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code)?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn hidden_inputs_of_the_named_form_only() {
        let page = r#"<!doctype html><!-- <form id="login-form"> -->
            <form id=search action=/s><input type=hidden name=no value=1></form>
            <form method="post" id="login-form" action="/login?handle=a&amp;x=1">
              <input type="hidden" name="csrf" value="a&#43;b&quot;&gt;&#x2F;c">
              <label>Name<input id="username" name="username" value="x > y"></label>
              <INPUT value='' TYPE='HIDDEN' name='empty'/>
              <button id="login-submit" name="do" value="login">Sign in</button>
              <button id="login-cancel" name="do" value="cancel">Cancel</button>
            </form><input type="hidden" name="late" value="1">"#;
        let form = scrape(page, "login-form", "login-submit").unwrap();
        assert_eq!(form.action, "/login?handle=a&x=1");
        // Tag names are matched as Signet writes them, in lower case.
        assert_eq!(form.fields, pairs(&[("csrf", "a+b\">/c"), ("do", "login")]));
    }

    #[test]
    fn a_button_without_name_adds_nothing_and_no_form_is_none() {
        let page = "<form id='consent-form'><input type=hidden name=h value=1><button id=consent-approve>ok</button>";
        let form = scrape(page, "consent-form", "consent-approve").unwrap();
        assert_eq!((form.action.as_str(), form.fields), ("", pairs(&[("h", "1")])));
        assert!(scrape(page, "login-form", "x").is_none());
        assert!(scrape("a < b <form id=", "login-form", "x").is_none());
    }

    #[test]
    fn encoding_is_that_of_forms() {
        assert_eq!(encode(&pairs(&[("a", "b c&d"), ("e", "+")])), "a=b+c%26d&e=%2B");
    }
}
