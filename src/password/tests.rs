//! The queue, the reused memory, and what comes out.

use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::*;
use crate::entropy::{EntropyError, SeededEntropy};

const SMALL: PasswordParams =
    PasswordParams { memory_kib: 64, iterations: 2, parallelism: 1, ceiling_kib: 1024 };

fn passwords(params: PasswordParams) -> Passwords {
    Passwords::new(params, 1, 8, Arc::new(SeededEntropy::new(1))).unwrap()
}

fn typed(plain: &str) -> Password {
    Password::new(plain)
}

/// Announces each salt that is asked for and waits for leave to give it.
struct Gate {
    entered: Mutex<Sender<()>>,
    leave: Mutex<Receiver<bool>>,
}

impl Entropy for Gate {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        self.entered.lock().unwrap().send(()).unwrap();
        out.fill(7);
        if self.leave.lock().unwrap().recv().unwrap() { Ok(()) } else { Err(EntropyError) }
    }
}

fn gated(queue: usize) -> (Passwords, Receiver<()>, Sender<bool>) {
    let ((entered, arrivals), (go, leave)) = (channel(), channel());
    let gate = Gate { entered: Mutex::new(entered), leave: Mutex::new(leave) };
    (Passwords::new(SMALL, 1, queue, Arc::new(gate)).unwrap(), arrivals, go)
}

/// What comes of `future`, and a failure instead of a test that hangs.
fn finish<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), future).await.unwrap() })
}

fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_password_matches_its_hash_and_no_other() {
    let passwords = passwords(SMALL);
    let stored = passwords.hash(typed("correct horse battery")).await.unwrap();
    assert!(stored.starts_with("$argon2id$v=19$m=64,t=2,p=1$"), "{stored}");
    for (plain, expected) in [
        ("correct horse battery", Verified::Match { rehash: None }),
        ("correct horse batter", Verified::Mismatch),
        ("Correct horse battery", Verified::Mismatch),
        ("", Verified::Mismatch),
    ] {
        assert_eq!(passwords.verify(typed(plain), Some(stored.clone())).await, Ok(expected), "{plain}");
    }
}

#[tokio::test]
async fn the_output_is_that_of_the_plain_algorithm_whatever_the_block_held_before() {
    let passwords = passwords(SMALL);
    for plain in ["the first password", "another one follows", "the first password"] {
        // Of other sizes in between, smaller and larger than the thread's own block.
        for costs in ["m=8,t=1,p=1", "m=1024,t=1,p=3"] {
            let stored = format!("$argon2id$v=19${costs}$MDEyMzQ1Njc4OWFiY2RlZg${}", "A".repeat(43));
            assert_eq!(passwords.verify(typed("x"), Some(stored)).await, Ok(Verified::Mismatch));
        }
        let made = passwords.hash(typed(plain)).await.unwrap();
        let phc = phc::Phc::parse(&made, 1024).unwrap();
        let params = argon2::Params::new(64, 2, 1, None).unwrap();
        let mut fresh = [0u8; 32];
        argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
            .hash_password_into(plain.as_bytes(), &phc.salt, &mut fresh)
            .unwrap();
        assert_eq!(phc.output, fresh);
    }
}

#[tokio::test]
async fn a_hash_of_the_reference_implementation_matches() {
    // Of the test vectors of phc-winner-argon2.
    let stored = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let verified = passwords(SMALL).verify(typed("password"), Some(stored.to_owned())).await;
    // Its salt is short, so it is made anew.
    assert!(matches!(verified, Ok(Verified::Match { rehash: Some(_) })), "{verified:?}");
}

#[tokio::test]
async fn the_same_password_gets_another_salt_each_time() {
    let passwords = passwords(SMALL);
    let first = passwords.hash(typed("correct horse battery")).await.unwrap();
    assert_ne!(passwords.hash(typed("correct horse battery")).await.unwrap(), first);
}

#[tokio::test]
async fn nothing_of_a_long_password_is_cut_off() {
    let passwords = passwords(SMALL);
    let long = "0123456789".repeat(25);
    for (plain, other) in [
        (long.clone(), long[..249].to_owned()),
        (long.clone(), format!("{}X", &long[..249])),
        (long[..80].to_owned(), long[..72].to_owned()),
        ("a password with\0 a NUL".to_owned(), "a password with".to_owned()),
        ("a password with\0 a NUL".to_owned(), "a password with\0 another".to_owned()),
        ("trailing spaces count  ".to_owned(), "trailing spaces count".to_owned()),
    ] {
        let stored = passwords.hash(typed(&plain)).await.unwrap();
        let verified = passwords.verify(typed(&plain), Some(stored.clone())).await;
        assert_eq!(verified, Ok(Verified::Match { rehash: None }), "{plain:?}");
        assert_eq!(passwords.verify(typed(&other), Some(stored)).await, Ok(Verified::Mismatch), "{other:?}");
    }
}

#[tokio::test]
async fn a_letter_typed_as_two_code_points_is_the_same_letter() {
    let passwords = passwords(SMALL);
    let stored = passwords.hash(typed("un mot de passe cach\u{e9}")).await.unwrap();
    let verified = passwords.verify(typed("un mot de passe cache\u{301}"), Some(stored)).await;
    assert_eq!(verified, Ok(Verified::Match { rehash: None }));
}

#[tokio::test]
async fn unknown_users_and_unusable_hashes_are_mismatches() {
    let passwords = passwords(SMALL);
    for stored in [None, Some(""), Some("$2b$12$abcdefghijklmnopqrstuv"), Some("$argon2id$v=19$m=4294967295")]
    {
        let verified = passwords.verify(typed("whatever"), stored.map(str::to_owned)).await;
        assert_eq!(verified, Ok(Verified::Mismatch), "{stored:?}");
    }
    let verified = passwords.verify(Password::new("x".repeat(1 << 20)), None).await;
    assert_eq!(verified, Ok(Verified::Mismatch));
    assert_eq!(passwords.hash(Password::new("x".repeat(1 << 20))).await, Err(Error::Internal));
}

#[tokio::test]
async fn a_weaker_hash_is_made_anew_on_a_match_only() {
    let stored = passwords(PasswordParams { memory_kib: 32, ..SMALL })
        .hash(typed("correct horse battery"))
        .await
        .unwrap();
    let passwords = passwords(SMALL);
    assert_eq!(passwords.verify(typed("wrong"), Some(stored.clone())).await, Ok(Verified::Mismatch));
    let verified = passwords.verify(typed("correct horse battery"), Some(stored)).await.unwrap();
    let Verified::Match { rehash: Some(rehash) } = verified else { panic!("{verified:?}") };
    assert!(rehash.contains("m=64,"), "{rehash}");
    let verified = passwords.verify(typed("correct horse battery"), Some(rehash)).await;
    assert_eq!(verified, Ok(Verified::Match { rehash: None }));
}

#[tokio::test]
async fn a_costlier_hash_of_earlier_times_matches_and_stays() {
    let costly = PasswordParams { memory_kib: 512, parallelism: 2, ..SMALL };
    let stored = passwords(costly).hash(typed("correct horse battery")).await.unwrap();
    let verified = passwords(SMALL).verify(typed("correct horse battery"), Some(stored.clone())).await;
    assert_eq!(verified, Ok(Verified::Match { rehash: None }));
    let frugal = passwords(PasswordParams { ceiling_kib: 511, ..SMALL });
    assert_eq!(frugal.verify(typed("correct horse battery"), Some(stored)).await, Ok(Verified::Mismatch));
}

#[test]
fn a_full_queue_is_busy_and_a_dropped_requester_makes_room() {
    let (passwords, arrivals, go) = gated(1);
    let mut running = Box::pin(passwords.hash(typed("the first password")));
    assert!(poll(running.as_mut()).is_pending());
    arrivals.recv().unwrap();
    let mut waiting = Box::pin(passwords.hash(typed("the second password")));
    assert!(poll(waiting.as_mut()).is_pending());
    assert_eq!(passwords.stats(), Stats { queued: 1, running: 1 });
    assert_eq!(poll(pin!(passwords.hash(typed("the third password")))), Poll::Ready(Err(Error::Busy)));

    drop(waiting);
    let mut next = Box::pin(passwords.hash(typed("the fourth password")));
    assert!(poll(next.as_mut()).is_pending());
    assert_eq!(passwords.stats(), Stats { queued: 1, running: 1 });

    // A hash that has begun keeps its thread when its requester goes.
    drop(running);
    assert_eq!(passwords.stats(), Stats { queued: 1, running: 1 });
    assert_eq!(poll(pin!(passwords.hash(typed("the fifth password")))), Poll::Ready(Err(Error::Busy)));
    go.send(true).unwrap();
    arrivals.recv().unwrap();
    assert_eq!(passwords.stats(), Stats { queued: 0, running: 1 });
    go.send(true).unwrap();
    assert!(finish(next).is_ok());
}

#[test]
fn a_job_abandoned_before_its_turn_is_never_hashed() {
    let (passwords, arrivals, go) = gated(4);
    let mut running = Box::pin(passwords.hash(typed("the first password")));
    assert!(poll(running.as_mut()).is_pending());
    arrivals.recv().unwrap();
    for _ in 0..3 {
        assert!(poll(pin!(passwords.hash(typed("nobody waits for this")))).is_pending());
    }
    let mut last = Box::pin(passwords.hash(typed("the last password")));
    assert!(poll(last.as_mut()).is_pending());
    for _ in 0..2 {
        go.send(true).unwrap();
    }
    assert!(finish(running).is_ok());
    assert!(finish(last).is_ok());
    arrivals.recv().unwrap();
    assert!(arrivals.try_recv().is_err(), "only two salts were drawn");
}

#[test]
fn failing_entropy_is_an_error_and_the_thread_lives_on() {
    let (passwords, arrivals, go) = gated(4);
    go.send(false).unwrap();
    assert_eq!(finish(passwords.hash(typed("the first password"))), Err(Error::Entropy));
    go.send(true).unwrap();
    assert!(finish(passwords.hash(typed("the second password"))).is_ok());
    // A panic on the thread is an error of that request alone: the gate has nobody to announce to.
    drop(arrivals);
    assert_eq!(finish(passwords.hash(typed("the third password"))), Err(Error::Internal));
    let verified = finish(passwords.verify(typed("the fourth password"), None));
    assert_eq!(verified, Ok(Verified::Mismatch));
}

#[test]
fn parameters_out_of_range_are_refused_at_start() {
    for params in [
        PasswordParams { memory_kib: 7, ..SMALL },
        PasswordParams { memory_kib: 15, parallelism: 2, ..SMALL },
        PasswordParams { memory_kib: 1025, ..SMALL },
        PasswordParams { iterations: 0, ..SMALL },
        PasswordParams { iterations: 17, ..SMALL },
        PasswordParams { parallelism: 0, ..SMALL },
        PasswordParams { parallelism: 17, ..SMALL },
    ] {
        let refused = Passwords::new(params, 1, 1, Arc::new(SeededEntropy::new(1)));
        assert!(matches!(refused, Err(SetupError::Params(_))), "{params:?}");
    }
}
