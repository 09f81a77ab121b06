//! Readers for the payload of a feed message. Typed, because a snapshot may hold a million entries and a tree of
//! JSON values would take a gigabyte; strict, because two verifiers that read one message differently would hold
//! two different states: no repeated members, no rounding, bounded nesting.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};

use super::LARGEST;
use super::entry::Entry;

/// How deep the members that nobody knows may be nested, the outermost object counted.
const DEEPEST: usize = 8;

/// How many members that nobody knows a payload may have.
const MOST_UNKNOWN: usize = 64;

/// An integer from 0 to 2^53−1, written without fraction or exponent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole(pub(super) i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer from 0 to 2^53-1")
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Whole, E> {
                match i64::try_from(value) {
                    Ok(value) if value <= LARGEST => Ok(Whole(value)),
                    _ => Err(E::invalid_value(Unexpected::Unsigned(value), &self)),
                }
            }
        }
        deserializer.deserialize_u64(Reader)
    }
}

/// The members a payload can have; which of them it must have is its type's affair.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) iss: Option<String>,
    pub(super) n: Option<i64>,
    pub(super) at: Option<i64>,
    pub(super) prev: Option<String>,
    pub(super) head: Option<String>,
    pub(super) entries: Option<Vec<Entry>>,
}

impl Body {
    /// Reads one JSON object and nothing after it.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let mut reader = serde_json::Deserializer::from_slice(payload);
        let body = reader.deserialize_map(BodyReader).ok()?;
        reader.end().ok()?;
        Some(body)
    }
}

struct BodyReader;

impl<'de> Visitor<'de> for BodyReader {
    type Value = Body;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Body, A::Error> {
        let mut body = Body::default();
        let mut unknown = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "iss" => once(&mut body.iss, members.next_value()?)?,
                "n" => once(&mut body.n, members.next_value::<Whole>()?.0)?,
                "at" => once(&mut body.at, members.next_value::<Whole>()?.0)?,
                "prev" => once(&mut body.prev, members.next_value()?)?,
                "head" => once(&mut body.head, members.next_value()?)?,
                "entries" => once(&mut body.entries, members.next_value()?)?,
                _ => {
                    if unknown.len() >= MOST_UNKNOWN || !unknown.insert(name) {
                        return Err(A::Error::custom("repeated member, or too many"));
                    }
                    members.next_value_seed(Skip { depth: 1 })?;
                }
            }
        }
        Ok(body)
    }
}

fn once<T, E: Error>(place: &mut Option<T>, value: T) -> Result<(), E> {
    if place.replace(value).is_some() { Err(E::custom("repeated member")) } else { Ok(()) }
}

/// An object of exactly the named members, all strings.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) kid: String,
    pub(super) typ: String,
}

impl Header {
    /// Reads the three members and nothing besides them.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let header = reader.deserialize_map(HeaderReader).ok()?;
        reader.end().ok()?;
        Some(header)
    }
}

struct HeaderReader;

impl<'de> Visitor<'de> for HeaderReader {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of alg, kid and typ")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Header, A::Error> {
        let (mut alg, mut kid, mut typ) = (None, None, None);
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "alg" => once(&mut alg, members.next_value()?)?,
                "kid" => once(&mut kid, members.next_value()?)?,
                "typ" => once(&mut typ, members.next_value()?)?,
                _ => return Err(A::Error::custom("a member besides alg, kid and typ")),
            }
        }
        match (alg, kid, typ) {
            (Some(alg), Some(kid), Some(typ)) => Ok(Header { alg, kid, typ }),
            _ => Err(A::Error::custom("alg, kid or typ is missing")),
        }
    }
}

/// Reads past any JSON value, refusing repeated members and deep nesting in it.
#[derive(Clone, Copy)]
struct Skip {
    depth: usize,
}

impl Skip {
    fn inner<E: Error>(self) -> Result<Self, E> {
        if self.depth >= DEEPEST {
            Err(E::custom("nested too deeply"))
        } else {
            Ok(Self { depth: self.depth + 1 })
        }
    }
}

impl<'de> serde::de::DeserializeSeed<'de> for Skip {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Skip {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("repeated member"));
            }
            members.next_value_seed(inner)?;
        }
        Ok(())
    }
}

/// A JSON array of exactly the four members of an entry.
pub(super) struct FourReader<T>(pub(super) PhantomData<T>);

impl<'de> Visitor<'de> for FourReader<Entry> {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an entry: [kind, id, min, dies_at]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Entry, A::Error> {
        let short = |at| A::Error::invalid_length(at, &self);
        let kind = items.next_element()?.ok_or_else(|| short(0))?;
        let id = items.next_element()?.ok_or_else(|| short(1))?;
        let min = items.next_element::<Option<Whole>>()?.ok_or_else(|| short(2))?;
        let dies_at = items.next_element::<Whole>()?.ok_or_else(|| short(3))?;
        if items.next_element_seed(Skip { depth: DEEPEST })?.is_some() {
            return Err(short(5));
        }
        let entry = Entry { kind, id, min: min.map(|min| min.0), dies_at: dies_at.0 };
        entry.check().map_err(A::Error::custom)?;
        Ok(entry)
    }
}
