//! A map from ids to what is held of them, small in memory: the ids of this server are UUIDs or 16 random bytes in
//! base64url, and either takes 16 bytes here instead of a string on the heap.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Ids to values, in three maps by the form of the id. Lookup touches one of them, and none that is empty.
#[derive(Clone, Debug)]
pub(super) struct Table<V> {
    uuids: HashMap<[u8; 16], V>,
    tokens: HashMap<[u8; 16], V>,
    texts: HashMap<Box<str>, V>,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { uuids: HashMap::new(), tokens: HashMap::new(), texts: HashMap::new() }
    }
}

impl<V> Table<V> {
    pub(super) fn get(&self, id: &str) -> Option<&V> {
        if self.uuids.is_empty() && self.tokens.is_empty() && self.texts.is_empty() {
            return None;
        }
        match Form::of(id) {
            Form::Uuid(bytes) if !self.uuids.is_empty() => self.uuids.get(&bytes),
            Form::Token(bytes) if !self.tokens.is_empty() => self.tokens.get(&bytes),
            Form::Text if !self.texts.is_empty() => self.texts.get(id),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut V> {
        match Form::of(id) {
            Form::Uuid(bytes) => self.uuids.get_mut(&bytes),
            Form::Token(bytes) => self.tokens.get_mut(&bytes),
            Form::Text => self.texts.get_mut(id),
        }
    }

    pub(super) fn insert(&mut self, id: &str, value: V) {
        match Form::of(id) {
            Form::Uuid(bytes) => self.uuids.insert(bytes, value),
            Form::Token(bytes) => self.tokens.insert(bytes, value),
            Form::Text => self.texts.insert(id.into(), value),
        };
    }

    /// Keeps what `keep` says, and gives memory back once most of it lies idle.
    pub(super) fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.uuids.retain(|_, value| keep(value));
        self.tokens.retain(|_, value| keep(value));
        self.texts.retain(|_, value| keep(value));
        shrink(&mut self.uuids);
        shrink(&mut self.tokens);
        shrink(&mut self.texts);
    }

    /// Ids and values, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, &V)> {
        let uuids = self.uuids.iter().map(|(bytes, value)| (Cow::Owned(uuid_text(bytes)), value));
        let tokens =
            self.tokens.iter().map(|(bytes, value)| (Cow::Owned(URL_SAFE_NO_PAD.encode(bytes)), value));
        let texts = self.texts.iter().map(|(text, value)| (Cow::Borrowed(&**text), value));
        uuids.chain(tokens).chain(texts)
    }
}

fn shrink<K: Eq + std::hash::Hash, V>(map: &mut HashMap<K, V>) {
    if map.capacity() > 1_024 && map.len() < map.capacity() / 4 {
        map.shrink_to(map.len() * 2);
    }
}

/// How an id can be held. Only what is written back to the very same string counts as a form.
enum Form {
    Uuid([u8; 16]),
    Token([u8; 16]),
    Text,
}

impl Form {
    fn of(id: &str) -> Self {
        match id.len() {
            36 => uuid_bytes(id.as_bytes()).map_or(Self::Text, Self::Uuid),
            22 => token_bytes(id).map_or(Self::Text, Self::Token),
            _ => Self::Text,
        }
    }
}

/// The 16 bytes of a UUID in lower case (RFC 9562 §4).
fn uuid_bytes(text: &[u8]) -> Option<[u8; 16]> {
    let mut bytes = [0_u8; 16];
    let mut digits = 0_usize;
    for (place, letter) in text.iter().enumerate() {
        if matches!(place, 8 | 13 | 18 | 23) {
            if *letter != b'-' {
                return None;
            }
            continue;
        }
        let digit = match letter {
            b'0'..=b'9' => letter - b'0',
            b'a'..=b'f' => letter - b'a' + 10,
            _ => return None,
        };
        let byte = bytes.get_mut(digits / 2)?;
        *byte = *byte << 4 | digit;
        digits += 1;
    }
    (digits == 32).then_some(bytes)
}

fn uuid_text(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (place, byte) in bytes.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }));
        }
    }
    text
}

/// The 16 bytes of which `text` is the one unpadded base64url.
fn token_bytes(text: &str) -> Option<[u8; 16]> {
    let mut bytes = [0_u8; 18];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    bytes.get(..length)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_any_form_is_found_again_and_written_back_as_it_came() {
        let ids = [
            "0190a5d0-1234-7abc-8def-00112233aabb",
            "0190A5D0-1234-7ABC-8DEF-00112233AABB",
            "0190a5d0-1234-7abc-8def-00112233aab",
            "0190a5d0x1234-7abc-8def-00112233aabb",
            "0190a5d0-1234-7abc-8def-00112233aab-",
            "AAECAwQFBgcICQoLDA0ODw",
            "AAECAwQFBgcICQoLDA0ODx",
            "AAECAwQFBgcICQoLDA0OD=",
            "AAECAwQFBgcICQoLDA0OD+",
            "demo",
            "",
            "ééééééééééé",
        ];
        let mut table = Table::default();
        for (value, id) in ids.iter().enumerate() {
            assert!(table.get(id).is_none(), "{id}");
            table.insert(id, value);
        }
        for (value, id) in ids.iter().enumerate() {
            assert_eq!(table.get(id), Some(&value), "{id}");
            assert_eq!(table.get_mut(id), Some(&mut value.clone()), "{id}");
        }
        let mut written: Vec<String> = table.iter().map(|(id, _)| id.into_owned()).collect();
        written.sort();
        let mut expected = ids.map(str::to_owned).to_vec();
        expected.sort();
        assert_eq!(written, expected);
        assert_eq!((table.uuids.len(), table.tokens.len()), (1, 1));
    }

    #[test]
    fn memory_is_given_back_after_a_flood() {
        let mut table = Table::default();
        for n in 0..100_000 {
            table.insert(&format!("{n:036}"), n);
            table.insert(&format!("{n:08x}-0000-0000-0000-000000000000"), n);
        }
        table.retain(|n| *n < 10);
        assert_eq!(table.iter().count(), 20);
        assert!(table.uuids.capacity() < 1_024 && table.texts.capacity() < 1_024);
    }
}
