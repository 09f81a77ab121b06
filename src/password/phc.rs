//! PHC strings of argon2id, version 19, in their one canonical form.
//!
//! What stands in the database is not trusted: parameters are bounded before they cost anything, and what is
//! not canonical is no hash.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::PasswordParams;

/// Salt bytes of new hashes.
pub(super) const SALT: usize = 16;
/// Output bytes of new hashes.
pub(super) const OUTPUT: usize = 32;
/// More than any string within the bounds below can have.
const MAX_TEXT: usize = 256;
const MAX_ITERATIONS: u32 = 16;
const MAX_PARALLELISM: u32 = 16;

/// One parsed hash. `output` is what to compare with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Phc {
    pub(super) memory_kib: u32,
    pub(super) iterations: u32,
    pub(super) parallelism: u32,
    pub(super) salt: Vec<u8>,
    pub(super) output: Vec<u8>,
}

/// Whether new hashes can be made, and read back, with these parameters. The error says what to change.
pub(super) fn check(params: &PasswordParams) -> Result<(), &'static str> {
    let PasswordParams { memory_kib, iterations, parallelism, ceiling_kib } = *params;
    if !(1..=MAX_PARALLELISM).contains(&parallelism) {
        return Err("password parallelism must be 1 to 16");
    }
    if !(1..=MAX_ITERATIONS).contains(&iterations) {
        return Err("password iterations must be 1 to 16");
    }
    if memory_kib < 8 * parallelism {
        return Err("password memory must be at least 8 KiB for each lane");
    }
    if memory_kib > ceiling_kib {
        return Err("password memory must not exceed the ceiling for stored hashes");
    }
    Ok(())
}

impl Phc {
    /// Today's parameters with this salt and output.
    pub(super) fn new(params: &PasswordParams, salt: Vec<u8>, output: Vec<u8>) -> Self {
        let PasswordParams { memory_kib, iterations, parallelism, .. } = *params;
        Self { memory_kib, iterations, parallelism, salt, output }
    }

    /// Parses `$argon2id$v=19$m=…,t=…,p=…$salt$output`; `None` for anything else and anything out of bounds.
    pub(super) fn parse(text: &str, ceiling_kib: u32) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let mut fields = text.strip_prefix("$argon2id$v=19$")?.split('$');
        let mut costs = fields.next()?.split(',');
        let phc = Self {
            memory_kib: decimal(costs.next()?.strip_prefix("m=")?)?,
            iterations: decimal(costs.next()?.strip_prefix("t=")?)?,
            parallelism: decimal(costs.next()?.strip_prefix("p=")?)?,
            salt: STANDARD_NO_PAD.decode(fields.next()?).ok()?,
            output: STANDARD_NO_PAD.decode(fields.next()?).ok()?,
        };
        let complete = costs.next().is_none() && fields.next().is_none();
        let bounded = (1..=MAX_PARALLELISM).contains(&phc.parallelism)
            && (1..=MAX_ITERATIONS).contains(&phc.iterations)
            && (8 * phc.parallelism..=ceiling_kib).contains(&phc.memory_kib)
            && (8..=64).contains(&phc.salt.len())
            && (16..=64).contains(&phc.output.len());
        (complete && bounded).then_some(phc)
    }

    /// Cheaper to guess than a new hash would be: less memory, less work in all, or fewer bytes.
    pub(super) fn is_weaker_than(&self, params: &PasswordParams) -> bool {
        let work = |memory: u32, iterations: u32| u64::from(memory) * u64::from(iterations);
        self.memory_kib < params.memory_kib
            || work(self.memory_kib, self.iterations) < work(params.memory_kib, params.iterations)
            || self.salt.len() < SALT
            || self.output.len() < OUTPUT
    }
}

impl std::fmt::Display for Phc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { memory_kib, iterations, parallelism, salt, output } = self;
        let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output));
        write!(f, "$argon2id$v=19$m={memory_kib},t={iterations},p={parallelism}${salt}${output}")
    }
}

/// A number as `Display` writes it: digits alone, no leading zero.
fn decimal(text: &str) -> Option<u32> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "$argon2id$v=19$m=64,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    #[test]
    fn a_canonical_string_comes_back() {
        assert_eq!(Phc::parse(GOOD, 1024).unwrap().to_string(), GOOD);
    }

    #[test]
    fn every_truncation_is_refused() {
        // Below 16 bytes of output; longer prefixes are other, shorter hashes.
        for end in 0..GOOD.len() - 22 {
            assert_eq!(Phc::parse(&GOOD[..end], 1024), None, "{end}");
        }
    }

    #[test]
    fn hostile_strings_are_refused() {
        let costs = |costs: &str| GOOD.replace("m=64,t=2,p=1", costs);
        let long = "A".repeat(10_000);
        let hostile = [
            String::new(),
            "$".repeat(200),
            long.clone(),
            format!("{GOOD}{long}"),
            format!("{GOOD}$"),
            format!("{GOOD}="),
            format!(" {GOOD}"),
            format!("{GOOD}\n"),
            format!("{GOOD}\0"),
            GOOD.replace("argon2id", "argon2i"),
            GOOD.replace("argon2id", "argon2d"),
            GOOD.replace("argon2id", "ARGON2ID"),
            GOOD.replace("v=19", "v=16"),
            GOOD.replace("$v=19", ""),
            GOOD.replace("MDEy", "MDE+=").replace("$AAE", "$A=E"),
            GOOD.replace("$MDEyMzQ1Njc4OWFiY2RlZg$", "$$"),
            GOOD.replace("$MDEyMzQ1Njc4OWFiY2RlZg$", "$MDEyMzQ1Ng$"),
            GOOD.replace("$MDEyMzQ1Njc4OWFiY2RlZg$", "$MDEyMzQ1Njc4OWFiY2RlZh$"),
            GOOD.replace("$MDEyMzQ1Njc4OWFiY2RlZg$", &format!("${}$", "A".repeat(88))),
            GOOD.replace("$AAEC", "$\u{fe}\u{ff}"),
            costs("m=64,t=2"),
            costs("m=64,t=2,p=1,"),
            costs("m=64,t=2,p=1,keyid=AAAA"),
            costs("t=2,m=64,p=1"),
            costs("m=64,m=64,p=1"),
            costs("m=7,t=2,p=1"),
            costs("m=1025,t=2,p=1"),
            costs("m=4294967295,t=2,p=1"),
            costs("m=4294967296,t=2,p=1"),
            costs("m=99999999999999999999,t=2,p=1"),
            costs("m=64,t=0,p=1"),
            costs("m=64,t=17,p=1"),
            costs("m=64,t=4294967295,p=1"),
            costs("m=64,t=2,p=0"),
            costs("m=64,t=2,p=9"),
            costs("m=1024,t=2,p=17"),
            costs("m=64,t=2,p=16777215"),
            costs("m=064,t=2,p=1"),
            costs("m=+64,t=2,p=1"),
            costs("m=-64,t=2,p=1"),
            costs("m=,t=2,p=1"),
            costs("m=64,t=2,p=1 "),
            costs("m=६४,t=2,p=1"),
        ];
        for text in hostile {
            assert_eq!(Phc::parse(&text, 1024), None, "{text}");
        }
    }

    #[test]
    fn weaker_means_less_memory_less_work_or_fewer_bytes() {
        let today = PasswordParams { memory_kib: 64, iterations: 2, parallelism: 1, ceiling_kib: 1024 };
        let stored = |memory_kib, iterations, salt, output| Phc {
            memory_kib,
            iterations,
            parallelism: 1,
            salt: vec![0; salt],
            output: vec![0; output],
        };
        for weaker in [(63, 16, 16, 32), (64, 1, 16, 32), (127, 1, 16, 32), (64, 2, 15, 32), (64, 2, 16, 31)]
        {
            let (memory, iterations, salt, output) = weaker;
            assert!(stored(memory, iterations, salt, output).is_weaker_than(&today), "{weaker:?}");
        }
        for enough in [(64, 2, 16, 32), (128, 1, 16, 32), (1024, 16, 64, 64)] {
            let (memory, iterations, salt, output) = enough;
            assert!(!stored(memory, iterations, salt, output).is_weaker_than(&today), "{enough:?}");
        }
    }
}
