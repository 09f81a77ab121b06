//! JSON that a person can read: what fits on a line stays on it.

use serde_json::Value;

const WIDTH: usize = 150;

pub(super) fn of(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text.push('\n');
    text
}

fn write(value: &Value, depth: usize, text: &mut String) {
    let line = value.to_string();
    if depth > 0 && (line.len() + 2 * depth <= WIDTH || flat(value)) {
        text.push_str(&line);
        return;
    }
    match value {
        Value::Object(members) => {
            let named = members.iter().map(|(name, value)| (Some(name), value));
            block(('{', '}'), named, depth, text);
        }
        Value::Array(items) => block(('[', ']'), items.iter().map(|item| (None, item)), depth, text),
        _ => text.push_str(&line),
    }
}

/// Ten thousand equal entries are better on one line, however long.
fn flat(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(|item| !item.is_array() && !item.is_object()))
}

fn block<'a>(
    brackets: (char, char),
    items: impl Iterator<Item = (Option<&'a String>, &'a Value)>,
    depth: usize,
    text: &mut String,
) {
    text.push(brackets.0);
    for (place, (name, value)) in items.enumerate() {
        text.push_str(if place == 0 { "\n" } else { ",\n" });
        text.push_str(&"  ".repeat(depth + 1));
        if let Some(name) = name {
            text.push_str(&format!("{}: ", Value::from(name.as_str())));
        }
        write(value, depth + 1, text);
    }
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
    text.push(brackets.1);
}
