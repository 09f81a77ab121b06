//! The examples of RFC 9449, and what the memory for proofs forgets.

use serde_json::json;

use super::*;

/// RFC 9449 §7.1, figure 12 and the text around it.
const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
/// RFC 9449 §6.1, figure 9.
const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

fn now(seconds: i64) -> Now {
    Now { unix_millis: seconds * 1000, monotonic: Duration::from_secs(10) }
}

fn subject() -> Subject<'static> {
    Subject {
        method: "GET",
        uri: "https://resource.example.org/protectedresource",
        token: TOKEN,
        key: THUMBPRINT,
    }
}

#[test]
fn the_proof_of_rfc_9449_is_good_for_its_request_and_its_minute() {
    let check = |subject: Subject<'_>, seconds| Proofs::new(10, None).check(&[PROOF], &subject, now(seconds));
    assert_eq!(check(subject(), 1_562_262_618), Ok(()));
    assert_eq!(check(subject(), 1_562_262_678), Ok(()));
    assert_eq!(check(subject(), 1_562_262_558), Ok(()));
    for seconds in [1_562_262_679, 1_562_262_557] {
        assert!(matches!(check(subject(), seconds), Err(Fault::Invalid(_))));
    }
    for other in [
        Subject { method: "POST", ..subject() },
        Subject { uri: "https://resource.example.org/", ..subject() },
        Subject { token: "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxV", ..subject() },
        Subject { key: "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", ..subject() },
    ] {
        assert!(matches!(check(other, 1_562_262_618), Err(Fault::Invalid(_))), "{other:?}");
    }
}

#[test]
fn a_proof_is_remembered_for_as_long_as_it_could_be_used() {
    let mut seen = Seen::new(10);
    let at = |seconds| Duration::from_secs(seconds);
    assert_eq!(seen.remember([1; 16], at(100)), Ok(()));
    for seconds in [100, 124, 125, 220, 249] {
        assert!(seen.remember([1; 16], at(seconds)).is_err(), "{seconds}");
    }
    assert_eq!(seen.remember([1; 16], at(1000)), Ok(()), "long after");
}

#[test]
fn two_keys_may_name_their_proofs_alike() {
    assert_ne!(mark("a", "x"), mark("b", "x"));
}

#[test]
fn addresses_are_normalised_and_what_is_none_is_no_address() {
    assert_eq!(normal("HTTP://Ex.Org:80?x#y"), normal("http://ex.org/"));
    assert_eq!(normal("https://ex.org/%7ea%2f"), normal("https://ex.org/~a%2F"));
    assert_ne!(normal("https://ex.org/a%2Fb"), normal("https://ex.org/a/b"));
    for bad in [
        "",
        "/x",
        "ftp://ex.org/",
        "https://",
        "https://u:p@ex.org/",
        "https://ex.org/%zz",
        "https://ex.org/%+1",
    ] {
        assert_eq!(normal(bad), None, "{bad}");
    }
}

#[test]
fn a_nonce_is_good_for_two_steps_and_of_one_key() {
    let proofs = Proofs::new(10, Some(&[1; 32]));
    let with =
        |nonce: &str| Proof { jwk: Map::new(), claims: json!({"nonce": nonce}).as_object().unwrap().clone() };
    let nonce = proofs.nonce(0).unwrap();
    for (millis, good) in [(0, true), (239_999, true), (240_000, false)] {
        assert_eq!(proofs.check_nonce(&with(&nonce), millis).is_ok(), good, "{millis}");
    }
    let other = Proofs::new(10, Some(&[2; 32]));
    assert!(other.check_nonce(&with(&nonce), 0).is_err());
}
