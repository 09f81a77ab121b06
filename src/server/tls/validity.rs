//! From when until when a certificate is valid. Read from its DER here: the TLS library judges the times and does not
//! tell them.

use crate::clock::Timestamp;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The times between which a certificate is valid, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: Timestamp,
    /// The last moment.
    pub not_after: Timestamp,
}

impl Validity {
    /// Reads the times of a certificate (RFC 5280); `None` where the bytes are none.
    pub fn of_der(der: &[u8]) -> Option<Self> {
        let certificate = inside(&mut &*der, SEQUENCE)?;
        let fields = &mut inside(&mut &*certificate, SEQUENCE)?;
        if fields.first() == Some(&VERSION) {
            element(fields)?;
        }
        // The serial number, the algorithm of the signature, the issuer.
        for _ in 0..3 {
            element(fields)?;
        }
        let times = &mut inside(fields, SEQUENCE)?;
        Some(Self { not_before: time(times)?, not_after: time(times)? })
    }
}

/// The next element's content, where it has this tag.
fn inside<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    element(input).filter(|(found, _)| *found == tag).map(|(_, content)| content)
}

/// Takes one element off the input: its tag and its content (X.690, definite lengths of up to four bytes).
fn element<'a>(input: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let (bytes, after) = rest.split_at_checked(count)?;
        length = bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        rest = after;
    }
    let (content, after) = rest.split_at_checked(length)?;
    *input = after;
    Some((tag, content))
}

/// A moment: years of two digits below 50 are of this century, the others of the last.
fn time(input: &mut &[u8]) -> Option<Timestamp> {
    let (tag, content) = element(input)?;
    let text = std::str::from_utf8(content).ok()?;
    let full = match tag {
        UTC_TIME => {
            let year: u8 = text.get(..2)?.parse().ok()?;
            format!("{}{text}", if year < 50 { "20" } else { "19" })
        }
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let parsed = chrono::NaiveDateTime::parse_from_str(&full, "%Y%m%d%H%M%SZ").ok()?;
    Some(Timestamp::from_seconds(parsed.and_utc().timestamp()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn certificate(until: i32) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 2);
        params.not_after = rcgen::date_time_ymd(until, 3, 4);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn both_forms_of_a_time_are_read() {
        for (year, text) in [(2049, "2049-03-04T00:00:00Z"), (2050, "2050-03-04T00:00:00Z")] {
            let validity = Validity::of_der(&certificate(year)).unwrap();
            assert_eq!(validity.not_before.rfc3339(), "2026-01-02T00:00:00Z");
            assert_eq!(validity.not_after.rfc3339(), text);
        }
    }

    #[test]
    fn a_certificate_cut_short_has_no_times() {
        let whole = certificate(2030);
        for length in 0..whole.len() {
            assert!(Validity::of_der(&whole[..length]).is_none(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0_usize..400, byte: u8, noise: Vec<u8>) {
            let mut der = certificate(2030);
            let place = at % der.len();
            der[place] = byte;
            let _ = Validity::of_der(&der);
            let _ = Validity::of_der(&noise);
        }
    }
}
