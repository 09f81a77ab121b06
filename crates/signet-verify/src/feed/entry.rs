//! One revocation: `docs/revocation-feed.md` §1.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, SerializeTuple as _, Serializer};

use super::LARGEST;
use super::json::FourReader;

/// The longest id of an entry, in bytes.
pub const LONGEST_ID: usize = 255;

/// What an entry compares its id with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Every token of the issuer that was issued too early.
    Iss,
    /// The key that signed the token: `kid` in its header.
    Kid,
    /// The client it was issued to: `client_id`.
    Client,
    /// The user it speaks for: `sub`.
    Sub,
    /// The login session it goes back to: `sid`.
    Sid,
    /// The family of refresh tokens it belongs to: the handle in `rv`.
    Fam,
    /// The one token: `jti`.
    Jti,
}

impl Kind {
    /// All kinds, in the order of the specification, which is also the order of a snapshot.
    pub const ALL: [Self; 7] =
        [Self::Iss, Self::Kid, Self::Client, Self::Sub, Self::Sid, Self::Fam, Self::Jti];

    /// The word of the format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Iss => "iss",
            Self::Kid => "kid",
            Self::Client => "client",
            Self::Sub => "sub",
            Self::Sid => "sid",
            Self::Fam => "fam",
            Self::Jti => "jti",
        }
    }

    /// The kind of that word, if it is one.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word;
        impl Visitor<'_> for Word {
            type Value = Kind;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a kind of entry")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Kind, E> {
                Kind::of(word).ok_or_else(|| E::custom("unknown kind of entry"))
            }
        }
        deserializer.deserialize_str(Word)
    }
}

/// Voids the tokens that stand at its coordinate. On the wire a JSON array: `[kind, id, min, dies_at]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// What `id` is compared with.
    pub kind: Kind,
    /// Empty for [`Kind::Iss`] and for no other, at most [`LONGEST_ID`] bytes.
    pub id: String,
    /// Tokens below it are void: seconds for `iss` and `client`, the epoch for `sub`, the generation for `fam`.
    /// `None`, which stands for null, voids all.
    pub min: Option<i64>,
    /// Unix seconds from which on no token exists that the entry could void.
    pub dies_at: i64,
}

/// An entry that the format does not allow, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(&'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}

impl Entry {
    /// Refuses what the table of `docs/revocation-feed.md` §1 does not allow.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for an id too long or absent, a `min` that the kind does not have, and numbers out of range.
    pub fn check(&self) -> Result<(), Malformed> {
        if self.id.len() > LONGEST_ID {
            return Err(Malformed("the id is longer than 255 bytes"));
        }
        if self.id.is_empty() != (self.kind == Kind::Iss) {
            return Err(Malformed("the id is empty for iss and for no other kind"));
        }
        let min_fits = match self.kind {
            Kind::Iss | Kind::Client | Kind::Sub => self.min.is_some(),
            Kind::Kid | Kind::Sid | Kind::Jti => self.min.is_none(),
            Kind::Fam => true,
        };
        if !min_fits {
            return Err(Malformed("min is not of the kind"));
        }
        let in_range = |number: i64| (0..=LARGEST).contains(&number);
        if !self.min.is_none_or(in_range) || !in_range(self.dies_at) {
            return Err(Malformed("a number is out of range"));
        }
        Ok(())
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut four = serializer.serialize_tuple(4)?;
        four.serialize_element(&self.kind)?;
        four.serialize_element(&self.id)?;
        four.serialize_element(&self.min)?;
        four.serialize_element(&self.dies_at)?;
        four.end()
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FourReader(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Entry> {
        serde_json::from_str(text).ok()
    }

    #[test]
    fn an_entry_of_each_kind_reads_and_writes_as_an_array_of_four() {
        for text in [
            r#"["iss","",1000,2000]"#,
            r#"["kid","k1",null,2000]"#,
            r#"["client","app",0,2000]"#,
            r#"["sub","u",9007199254740991,2000]"#,
            r#"["sid","s",null,2000]"#,
            r#"["fam","f",null,2000]"#,
            r#"["fam","f",3,2000]"#,
            r#"["jti","j",null,9007199254740991]"#,
        ] {
            let entry = read(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(serde_json::to_string(&entry).unwrap(), text);
        }
        assert_eq!(read(r#"["s\u0069d","\u0073",null,1]"#), read(r#"["sid","s",null,1]"#));
        let longest = format!(r#"["sid","{}",null,1]"#, "é".repeat(127));
        assert!(read(&longest).is_some());
    }

    #[test]
    fn an_entry_of_another_shape_is_malformed() {
        let too_long = format!(r#"["sid","{}",null,1]"#, "é".repeat(128));
        for text in [
            r#"["device","d",null,1]"#,
            r#"["SID","s",null,1]"#,
            r#"[1,"s",null,1]"#,
            r#"["sid",7,null,1]"#,
            r#"["sid",null,null,1]"#,
            r#"["sid","",null,1]"#,
            r#"["iss","x",1,1]"#,
            r#"["iss","",null,1]"#,
            r#"["client","c",null,1]"#,
            r#"["sub","u",null,1]"#,
            r#"["kid","k",1,1]"#,
            r#"["sid","s",0,1]"#,
            r#"["jti","j",0,1]"#,
            r#"["fam","f",-1,1]"#,
            r#"["fam","f","1",1]"#,
            r#"["fam","f",1.5,1]"#,
            r#"["fam","f",9007199254740992,1]"#,
            r#"["fam","f",true,1]"#,
            r#"["sid","s",null,-1]"#,
            r#"["sid","s",null,1e3]"#,
            r#"["sid","s",null,9007199254740992]"#,
            r#"["sid","s",null,null]"#,
            r#"["sid","s",null,"1"]"#,
            r#"["sid","s",null]"#,
            r#"["sid","s",null,1,2]"#,
            r#"["sid","s",null,1,null]"#,
            r#"{"kind":"sid","id":"s","min":null,"dies_at":1}"#,
            r#""sid""#,
            "[]",
            &too_long,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
