//! Which new passwords are accepted (NIST SP 800-63B-4 §3.1.1): length and a blocklist, each refusal with its
//! reason; no rules about kinds of characters, and nothing is cut off.

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use crate::secret::Password;

/// The longest password that is read at all, in bytes: four for each of 1024 code points.
pub const MAX_BYTES: usize = 4096;

/// Fewest and most code points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Fewest code points; 15 where the password is the only factor, 8 beside another one.
    pub min: usize,
    /// Most code points; at least 64.
    pub max: usize,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self { min: 15, max: 256 }
    }
}

/// What an attacker who knows the person and the service tries first.
#[derive(Clone, Copy, Debug, Default)]
pub struct PasswordContext<'a> {
    /// The name of the service.
    pub service: &'a str,
    /// The user name.
    pub username: &'a str,
    /// The e-mail address.
    pub email: Option<&'a str>,
}

/// Why a password was refused. `Display` says it to the person who chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordProblem {
    /// Fewer code points than this.
    TooShort(usize),
    /// More code points than this.
    TooLong(usize),
    /// On the list of common passwords, or a common word and a few more characters.
    Common,
    /// A row of the keyboard, the alphabet or counting.
    Sequence,
    /// One short piece, over and over.
    Repeated,
    /// The name of the service or the user and a few more characters.
    Context,
}

impl std::fmt::Display for PasswordProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooShort(min) => write!(f, "The password needs at least {min} characters."),
            Self::TooLong(max) => write!(f, "The password may have at most {max} characters."),
            Self::Common => f.write_str("Many people use this password, so it is tried first."),
            Self::Sequence => f.write_str("The password follows the keyboard, the alphabet or a count."),
            Self::Repeated => f.write_str("The password repeats one short piece."),
            Self::Context => {
                f.write_str("The password is little more than your name or the name of this service.")
            }
        }
    }
}

impl std::error::Error for PasswordProblem {}

/// The password in the form that is measured and hashed: NFC (RFC 8265 §4.2), so that a letter is the same
/// from every keyboard. Nothing else is changed.
pub fn normalised(password: &Password) -> Zeroizing<String> {
    // Reserved whole, so that growing leaves no copies behind: a code point grows to three at most.
    let mut text = Zeroizing::new(String::with_capacity(password.reveal().len().saturating_mul(3)));
    text.extend(password.reveal().nfc());
    text
}

/// Whether a new password is accepted.
pub fn check(
    password: &Password,
    context: &PasswordContext<'_>,
    policy: &PasswordPolicy,
) -> Result<(), PasswordProblem> {
    if password.reveal().len() > MAX_BYTES {
        return Err(PasswordProblem::TooLong(policy.max));
    }
    let text = normalised(password);
    let length = text.chars().count();
    if length < policy.min {
        return Err(PasswordProblem::TooShort(policy.min));
    }
    if length > policy.max {
        return Err(PasswordProblem::TooLong(policy.max));
    }
    let plain = Zeroizing::new(folded(&text));
    let all: Zeroizing<Vec<char>> = Zeroizing::new(text.chars().collect());
    if is_repeated(&all) {
        return Err(PasswordProblem::Repeated);
    }
    if is_sequence(&plain) {
        return Err(PasswordProblem::Sequence);
    }
    // Somebody who knows the words has to guess the rest alone: that much has to be left of it.
    let needed = policy.min / 2;
    if is_common(&plain) || left_without(&plain, COMMON_WORDS.iter().copied()) < needed {
        return Err(PasswordProblem::Common);
    }
    let words = context.words();
    if left_without(&plain, words.iter().map(String::as_str)) < needed {
        return Err(PasswordProblem::Context);
    }
    Ok(())
}

impl PasswordContext<'_> {
    /// The words of the context, folded, longest first; shorter than three characters they say nothing.
    fn words(&self) -> Vec<String> {
        let email = self.email.unwrap_or_default();
        let mut words: Vec<String> = [self.service, self.username, email]
            .into_iter()
            .flat_map(|text| std::iter::once(text).chain(text.split(|c: char| !c.is_alphanumeric())))
            .map(folded)
            .filter(|word| word.chars().count() >= 3)
            .collect();
        words.sort_unstable_by_key(|word| std::cmp::Reverse(word.len()));
        words.dedup();
        words
    }
}

/// Letters and digits alone, in compatibility form and lower case: how the blocklist is written.
fn folded(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).collect()
}

/// The whole is one piece of at most eight characters, twice or more (the last time perhaps cut).
fn is_repeated(all: &[char]) -> bool {
    (1..=8.min(all.len() / 2))
        .any(|piece| all.iter().zip(all.iter().skip(piece)).all(|(here, there)| here == there))
}

/// Part of a well-known row, forwards or backwards.
fn is_sequence(plain: &str) -> bool {
    let backwards = Zeroizing::new(plain.chars().rev().collect::<String>());
    !plain.is_empty() && SEQUENCES.iter().any(|row| row.contains(plain) || row.contains(backwards.as_str()))
}

fn is_common(plain: &str) -> bool {
    COMMON.lines().any(|line| line == plain)
}

/// How many characters are left of `plain` when `words` are taken out.
fn left_without<'a>(plain: &str, words: impl Iterator<Item = &'a str>) -> usize {
    let (mut rest, mut found) = (Zeroizing::new(plain.to_owned()), false);
    for word in words {
        if rest.contains(word) {
            found = true;
            // A space keeps the pieces apart, so that no word appears where two of them meet.
            rest = Zeroizing::new(rest.replace(word, " "));
        }
    }
    if found { rest.chars().filter(|c| *c != ' ').count() } else { usize::MAX }
}

const COMMON: &str = include_str!("password_blocklist.txt");

/// Words that long passwords are padded with.
const COMMON_WORDS: [&str; 14] = [
    "administrator",
    "passw0rd",
    "password",
    "passwort",
    "changeme",
    "welcome",
    "letmein",
    "default",
    "iloveyou",
    "qwertyuiop",
    "qwerty",
    "123456789",
    "secret",
    "admin",
];

const SEQUENCES: [&str; 7] = [
    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
    "0123456789012345678901234567890123456789",
    "1234567890qwertyuiopasdfghjklzxcvbnm1234567890",
    "qwertyuiopasdfghjklzxcvbnmqwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnmqwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbnazertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p1qaz2wsx3edc",
];

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: PasswordContext<'static> = PasswordContext {
        service: "Signet",
        username: "alice.liddell",
        email: Some("alice@wonderland.example"),
    };

    fn judge(plain: &str) -> Result<(), PasswordProblem> {
        check(&Password::new(plain), &CONTEXT, &PasswordPolicy::default())
    }

    #[test]
    fn length_is_counted_in_code_points() {
        assert_eq!(judge("vier5acht9zwölf"), Ok(()));
        assert_eq!(judge("vier5acht9zwöl"), Err(PasswordProblem::TooShort(15)));
        // A composed letter is one, however it was typed.
        assert_eq!(judge("vier5acht9zwo\u{308}l"), Err(PasswordProblem::TooShort(15)));
        assert_eq!(judge("🦔🌲🎻🧊🪁🥝🛶🎲🧭🪴🦉🍄🎈🧵🪐"), Ok(()));
        assert_eq!(judge(""), Err(PasswordProblem::TooShort(15)));
    }

    /// Characters without a pattern.
    fn noise(length: u32) -> String {
        (0..length).filter_map(|at| char::from_u32(0x3400 + at * at % 6000)).collect()
    }

    #[test]
    fn long_passwords_are_accepted_whole_up_to_the_cap() {
        assert_eq!(judge(&noise(256)), Ok(()));
        assert_eq!(judge(&noise(257)), Err(PasswordProblem::TooLong(256)));
        assert_eq!(judge(&"long".repeat(1 << 20)), Err(PasswordProblem::TooLong(256)));
    }

    #[test]
    fn nothing_is_demanded_of_the_kinds_of_characters() {
        for plain in [
            "hedge rowing past seven",
            "HEDGEROWINGPAST",
            "849201736450192",
            "\t spaces \0 and NUL ",
            "— … « » ¿ ¡ § ¶ †",
        ] {
            assert_eq!(judge(plain), Ok(()), "{plain:?}");
        }
    }

    #[test]
    fn common_passwords_are_refused_in_any_spelling() {
        for plain in [
            "correcthorsebatterystaple",
            "Correct Horse Battery Staple",
            "correct-horse-battery-staple",
            "Password-12345!!",
            "passwordpassword1",
            "welcome welcome 2026",
            "ＰＡＳＳＷＯＲＤ-123456",
        ] {
            assert_eq!(judge(plain), Err(PasswordProblem::Common), "{plain}");
        }
    }

    #[test]
    fn a_common_word_in_a_long_sentence_is_fine() {
        assert_eq!(judge("my password drinks tea at noon"), Ok(()));
        assert_eq!(judge("alice went down the rabbit hole"), Ok(()));
    }

    #[test]
    fn rows_and_repetitions_are_refused() {
        for plain in [
            "abcdefghijklmnop",
            "ponmlkjihgfedcba",
            "123456789012345",
            "qwertyuiopasdfg",
            "1qaz2wsx3edc4rfv",
            "1234-5678-9012-3456",
        ] {
            assert_eq!(judge(plain), Err(PasswordProblem::Sequence), "{plain}");
        }
        for plain in
            ["aaaaaaaaaaaaaaaa", "xyzxyzxyzxyzxyzx", "               ", "🦔🦔🦔🦔🦔🦔🦔🦔🦔🦔🦔🦔🦔🦔🦔🦔"]
        {
            assert_eq!(judge(plain), Err(PasswordProblem::Repeated), "{plain}");
        }
    }

    #[test]
    fn names_of_the_user_and_the_service_do_not_count() {
        for plain in [
            "alice.liddell2026",
            "Signet-Signet-42",
            "alice@wonderland",
            "LIDDELL-alice-1865",
            "signetwonderland7",
        ] {
            assert_eq!(judge(plain), Err(PasswordProblem::Context), "{plain}");
        }
        assert_eq!(
            check(
                &Password::new("alice.liddell2026"),
                &PasswordContext::default(),
                &PasswordPolicy::default()
            ),
            Ok(())
        );
    }

    #[test]
    fn the_blocklist_is_folded_and_long_enough_to_matter() {
        for line in COMMON.lines() {
            assert_eq!(folded(line), line);
            assert!(line.chars().count() >= 8, "{line}");
        }
    }

    #[test]
    fn every_refusal_says_why() {
        assert_eq!(PasswordProblem::TooShort(15).to_string(), "The password needs at least 15 characters.");
    }
}
