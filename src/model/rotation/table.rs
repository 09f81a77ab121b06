//! The verdict table, row by row, and the policies.

use super::*;
use crate::entropy::{Entropy, SeededEntropy};
use crate::model::family::FamilySecretId;
use crate::secret::{ClientId, FamilyHandle, UserId};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// A family of an SPA whose last rotation was `age` ago, and which is all right otherwise.
pub(super) fn family(base: u32, cur: u32, burst: u32, age: Duration) -> Family {
    let entropy: &dyn Entropy = &SeededEntropy::new(1);
    Family {
        id: FamilySecretId::generate(entropy).unwrap(),
        handle: FamilyHandle(uuid::Uuid::nil()),
        user: UserId(uuid::Uuid::nil()),
        client: ClientId::from("spa"),
        session: None,
        scope: "openid".to_owned(),
        audience: Vec::new(),
        offline: false,
        counters: Counters { base, cur, rotated_at: NOW.minus(age), burst },
        epoch: 3,
        status: FamilyStatus::Active,
        created_at: NOW.minus(DAY * 400),
        expires_at: NOW.plus(DAY * 400),
        idle: DAY * 800,
        class: ClientClass::Spa,
        binding: None,
    }
}

pub(super) const GOOD: Standing = Standing {
    user_epoch: 3,
    user_active: true,
    client_active: true,
    session_ended: false,
    client_matches: true,
    binding_matches: true,
};

fn spa() -> RotationPolicy {
    ClassDefaults::of(ClientClass::Spa).policy
}

fn decide(family: &Family, presented: u32, policy: &RotationPolicy) -> (Verdict, Counters) {
    let verdict = verdict(family, &GOOD, presented, NOW, policy);
    (verdict, apply(verdict, &family.counters, presented, NOW, policy))
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// What one case does to a family and a standing that are all right.
type Change = fn(&mut Family, &mut Standing);

#[test]
fn row_0_denies_and_says_why() {
    let cases: [(Change, DenyReason); 12] = [
        (|_, s| s.client_matches = false, DenyReason::WrongClient),
        (|_, s| s.binding_matches = false, DenyReason::WrongKey),
        (|f, _| f.status = FamilyStatus::Ended(EndCause::Logout), DenyReason::NotActive),
        (|f, _| f.status = FamilyStatus::Compromised, DenyReason::NotActive),
        (|_, s| s.user_epoch = 4, DenyReason::EpochMovedOn),
        (|_, s| s.user_epoch = 2, DenyReason::EpochMovedOn),
        (|_, s| s.user_active = false, DenyReason::UserInactive),
        (|_, s| s.client_active = false, DenyReason::ClientInactive),
        (|_, s| s.session_ended = true, DenyReason::SessionEnded),
        (|f, _| f.expires_at = NOW, DenyReason::Expired),
        (|f, _| f.idle = seconds(100), DenyReason::Idle),
        (|f, _| f.idle = seconds(1), DenyReason::Idle),
    ];
    for (change, reason) in cases {
        let (mut family, mut standing) = (family(1, 2, 0, seconds(100)), GOOD);
        change(&mut family, &mut standing);
        // Superseded, retried, current and unknown generations alike: a family that is over sees no theft.
        for presented in [0, 1, 2, 3] {
            let verdict = verdict(&family, &standing, presented, NOW, &spa());
            assert_eq!(verdict, Verdict::Deny(reason));
            assert_eq!(apply(verdict, &family.counters, presented, NOW, &spa()), family.counters);
        }
    }
}

#[test]
fn row_0_lets_pass_what_is_just_in_time_or_offline() {
    let mut family = family(0, 1, 0, seconds(100));
    family.expires_at = NOW.plus(Duration::from_millis(1));
    family.idle = seconds(100) + Duration::from_millis(1);
    assert_eq!(decide(&family, 1, &spa()).0, Verdict::Advance);
    family.offline = true;
    let standing = Standing { session_ended: true, ..GOOD };
    assert_eq!(verdict(&family, &standing, 1, NOW, &spa()), Verdict::Advance);
}

#[test]
fn row_1_rolls_forward_and_keeps_the_token() {
    let (verdict, after) = decide(&family(2, 3, 0, seconds(500)), 7, &spa());
    assert_eq!(verdict, Verdict::RollForward);
    assert_eq!(after, Counters { base: 2, cur: 7, rotated_at: NOW, burst: 1 });
    assert!(verdict.carries_access_token() && !verdict.carries_refresh_token());
    assert_eq!(decide(&family(2, 3, 5, seconds(1)), 7, &spa()).1.burst, 5);
}

#[test]
fn row_2_coalesces_a_full_burst_within_the_hold_horizon() {
    let cookie = ClassDefaults::of(ClientClass::Cookie).policy;
    for (family, policy) in [(family(0, 8, 8, seconds(60)), spa()), (family(4, 5, 0, seconds(60)), cookie)] {
        let (verdict, after) = decide(&family, family.counters.cur, &policy);
        assert_eq!((verdict, after), (Verdict::Coalesce, family.counters));
        assert!(verdict.carries_access_token() && !verdict.carries_refresh_token());
    }
}

#[test]
fn row_3_advances_and_confirms_only_after_the_hold_horizon() {
    let (verdict, after) = decide(&family(4, 5, 2, seconds(60)), 5, &spa());
    assert_eq!(verdict, Verdict::Advance);
    assert_eq!(after, Counters { base: 4, cur: 6, rotated_at: NOW, burst: 3 });
    assert!(verdict.carries_refresh_token());
    let (verdict, after) = decide(&family(4, 5, 8, Duration::from_millis(60_001)), 5, &spa());
    assert_eq!(verdict, Verdict::Advance);
    assert_eq!(after, Counters { base: 5, cur: 6, rotated_at: NOW, burst: 0 });
}

#[test]
fn rows_4_to_7_follow_the_age() {
    let cases = [
        (0, Verdict::Retry),
        (30_000, Verdict::Retry),
        (30_001, Verdict::Hold),
        (60_000, Verdict::Hold),
        (60_001, Verdict::Fork),
        (86_400_000, Verdict::Fork),
        (86_400_001, Verdict::End(EndCause::LateRetry)),
    ];
    for (millis, expected) in cases {
        let age = Duration::from_millis(millis);
        for (family, presented) in
            [(family(4, 5, 0, age), 4), (family(4, 7, 2, age), 4), (family(4, 7, 2, age), 6)]
        {
            let (verdict, after) = decide(&family, presented, &spa());
            assert_eq!(verdict, expected, "{millis} ms");
            let forked =
                Counters { base: presented, cur: family.counters.cur + 1, rotated_at: NOW, burst: 0 };
            assert_eq!(after, if verdict == Verdict::Fork { forked } else { family.counters });
            assert_eq!(
                verdict.carries_refresh_token(),
                matches!(expected, Verdict::Retry | Verdict::Fork),
                "{millis} ms"
            );
        }
    }
}

#[test]
fn row_8_is_theft() {
    for age in [0, 31, 61, 100_000] {
        // Older than the base, at any age; and inside the range when no burst is open.
        assert_eq!(decide(&family(4, 5, 0, seconds(age)), 3, &spa()).0, Verdict::Theft);
        assert_eq!(decide(&family(4, 7, 2, seconds(age)), 3, &spa()).0, Verdict::Theft);
        assert_eq!(decide(&family(4, 7, 0, seconds(age)), 5, &spa()).0, Verdict::Theft);
    }
    assert_eq!(Verdict::Theft.ends_as(), Some(FamilyStatus::Compromised));
    assert!(!Verdict::Theft.carries_access_token());
}

#[test]
fn strict_knows_no_hold_and_no_fork() {
    let strict = ClassDefaults::of(ClientClass::HighAssurance).policy;
    for (millis, expected) in [(30_000, Verdict::Retry), (30_001, Verdict::Theft), (60_001, Verdict::Theft)] {
        assert_eq!(decide(&family(4, 5, 0, Duration::from_millis(millis)), 4, &strict).0, expected);
    }
    let literal = RotationPolicy { retry_window: Duration::ZERO, ..strict };
    assert_eq!(decide(&family(4, 5, 0, Duration::ZERO), 4, &literal).0, Verdict::Theft);
}

#[test]
fn a_family_that_does_not_rotate_keeps_its_token_and_never_idles_out() {
    let policy = ClassDefaults::of(ClientClass::Confidential).policy;
    let mut family = family(0, 0, 0, DAY * 300);
    family.idle = DAY;
    assert_eq!(decide(&family, 0, &policy), (Verdict::Coalesce, family.counters));
}

#[test]
fn a_clock_that_went_back_makes_no_thief_and_no_fork() {
    let mut family = family(4, 5, 0, Duration::ZERO);
    family.counters.rotated_at = NOW.plus(DAY);
    assert_eq!(decide(&family, 4, &spa()).0, Verdict::Retry);
    assert_eq!(decide(&family, 5, &spa()).1.burst, 1);
}

#[test]
fn the_last_generation_ends_the_family_cleanly() {
    let exhausted = Verdict::End(EndCause::GenerationsExhausted);
    for (age, presented) in [(1, u32::MAX), (61, u32::MAX), (61, u32::MAX - 1)] {
        let family = family(u32::MAX - 1, u32::MAX, 0, seconds(age));
        assert_eq!(decide(&family, presented, &spa()), (exhausted, family.counters));
    }
    // Nothing needs to grow for a retry.
    assert_eq!(
        decide(&family(u32::MAX - 1, u32::MAX, 0, seconds(1)), u32::MAX - 1, &spa()).0,
        Verdict::Retry
    );
}

#[test]
fn the_first_use_of_a_new_family_confirms_it_and_its_idle_time_is_whole() {
    let mut family = family(0, 0, 0, Duration::ZERO);
    family.created_at = NOW;
    family.counters = Counters::begin(NOW, &spa());
    assert_eq!(decide(&family, 0, &spa()).1, Counters { base: 0, cur: 1, rotated_at: NOW, burst: 0 });
    family.idle = seconds(10);
    assert_eq!(decide(&family, 0, &spa()).0, Verdict::Advance);
}

#[test]
fn the_defaults_are_valid_and_unsafe_policies_are_refused() {
    for class in ClientClass::ALL {
        let defaults = ClassDefaults::of(*class);
        assert_eq!(validate(&defaults.policy, seconds(10)), Ok(()), "{class:?}");
        assert!(defaults.idle <= defaults.absolute, "{class:?}");
        assert_eq!(class.as_str().parse(), Ok(*class));
    }
    let refused = [
        RotationPolicy { retry_window: seconds(40), ..spa() },
        RotationPolicy { retry_window: seconds(61), ..spa() },
        RotationPolicy { late: Late::Displace { horizon: seconds(59) }, ..spa() },
    ];
    for policy in refused {
        assert!(validate(&policy, seconds(10)).is_err(), "{policy:?}");
    }
    assert!(validate(&spa(), seconds(15)).is_err());
    assert_eq!(validate(&RotationPolicy { retry_window: Duration::ZERO, ..spa() }, seconds(10)), Ok(()));
}
