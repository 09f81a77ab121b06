//! Reads one form out of a page that Signet renders: enough HTML for that, and no more.

/// The form's action and what a browser would send before anyone types: its hidden fields, then the pressed button.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) action: String,
    pub(super) fields: Vec<(String, String)>,
}

/// The form with the id `form`, as if the button with the id `button` had been pressed.
pub(super) fn find(page: &str, form: &str, button: &str) -> Option<Form> {
    let mut tags = tags(page).skip_while(|tag| !(tag.is("form") && tag.value("id").as_deref() == Some(form)));
    let action = tags.next()?.value("action").unwrap_or_default();
    let mut fields = Vec::new();
    let mut pressed = None;
    for tag in tags.take_while(|tag| !tag.is("/form")) {
        let field = || Some((tag.value("name")?, tag.value("value").unwrap_or_default()));
        if tag.is("input") && tag.value("type").as_deref() == Some("hidden") {
            fields.extend(field());
        } else if tag.is("button") && tag.value("id").as_deref() == Some(button) {
            pressed = field();
        }
    }
    fields.extend(pressed);
    Some(Form { action, fields })
}

/// The text of the element with this id, without its tags.
pub(super) fn text_of(page: &str, id: &str) -> Option<String> {
    let (_, after) = page.split_once(&format!("id=\"{id}\""))?;
    let (_, inside) = after.split_once('>')?;
    let mut text = String::new();
    let mut depth = 1;
    for (at, part) in inside.split('<').enumerate() {
        let (tag, words) = if at == 0 { ("", part) } else { part.split_once('>').unwrap_or((part, "")) };
        match tag.bytes().next() {
            Some(b'/') => depth -= 1,
            Some(_) if !matches!(tag.split_whitespace().next(), Some("br" | "input" | "img")) => depth += 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        text.push_str(words);
        text.push(' ');
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    Some(unescape(&words.join(" ")))
}

struct Tag<'a>(&'a str);

impl Tag<'_> {
    fn is(&self, name: &str) -> bool {
        self.0.split([' ', '\n', '\t', '/']).find(|word| !word.is_empty()).is_some_and(|first| {
            name.strip_prefix('/').map_or(first == name && !self.0.starts_with('/'), |closed| {
                self.0.starts_with('/') && first == closed
            })
        })
    }

    /// The value of an attribute in double quotes, as the templates write all of them.
    fn value(&self, name: &str) -> Option<String> {
        let (_, after) = self.0.split_once(&format!(" {name}=\""))?;
        after.split_once('"').map(|(value, _)| unescape(value))
    }
}

/// Every tag's inside. A `>` within quotes belongs to the tag.
fn tags(page: &str) -> impl Iterator<Item = Tag<'_>> {
    page.split('<').skip(1).filter_map(|part| {
        let mut quoted = false;
        let end = part.find(|character| {
            quoted ^= character == '"';
            character == '>' && !quoted
        });
        part.get(..end?).map(Tag)
    })
}

fn unescape(text: &str) -> String {
    const NAMED: [(&str, &str); 5] = [("lt", "<"), ("gt", ">"), ("quot", "\""), ("apos", "'"), ("amp", "&")];
    let mut parts = text.split('&');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let decoded = part.split_once(';').and_then(|(name, rest)| {
            let named = NAMED.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
            let numbered = || {
                let digits = name.strip_prefix('#')?;
                let code = match digits.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => digits.parse().ok()?,
                };
                char::from_u32(code).map(String::from)
            };
            Some((named.or_else(numbered)?, rest))
        });
        match decoded {
            Some((text, rest)) => {
                out.push_str(&text);
                out.push_str(rest);
            }
            None => {
                out.push('&');
                out.push_str(part);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<!doctype html><form id="search" action="/s"><input type="hidden" name="no" value="1"></form>
        <div id="login-error" role="alert"><h2>You are not signed in</h2><p><a href="x">Wrong &amp; so on.</a></p></div>
        <form id="login-form" method="post" action="/login?a=1&amp;b=2">
        <input type="hidden" name="csrf" value="a&#43;b&quot;&gt;&#x2F;c">
        <input type="hidden" name="interaction" value="x > y">
        <input id="username" name="username" type="text" value="a">
        <button id="login-submit" type="submit" name="action" value="login">Sign in</button>
        <button id="login-cancel" type="submit" name="action" value="cancel">Cancel</button>
        </form><input type="hidden" name="late" value="1">"#;

    #[test]
    fn hidden_fields_and_the_pressed_button_of_the_named_form() {
        let form = find(PAGE, "login-form", "login-submit").unwrap();
        assert_eq!(form.action, "/login?a=1&b=2");
        let fields: Vec<_> =
            form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(fields, [("csrf", "a+b\">/c"), ("interaction", "x > y"), ("action", "login")]);
        assert!(find(PAGE, "consent-form", "consent-approve").is_none());
        assert!(find("a < b", "login-form", "x").is_none());
    }

    #[test]
    fn the_words_of_an_element() {
        assert_eq!(text_of(PAGE, "login-error").unwrap(), "You are not signed in Wrong & so on.");
        assert!(text_of(PAGE, "oauth-error").is_none());
    }
}
