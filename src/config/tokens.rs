//! `[tokens]`

use super::section::section;
use super::value::Int;

section! {
    /// How long what is issued lives; refresh tokens have their own section.
    pub struct Tokens {
        /// Access tokens, in seconds: how long one stays good for those who verify it locally after a logout.
        access_token_seconds: u32 = 600, Int(30, 900);
        /// ID tokens, in seconds.
        id_token_seconds: u32 = 600, Int(30, 3600);
        /// Authorization codes, in seconds (RFC 6749 §4.1.2).
        authorization_code_seconds: u32 = 60, Int(5, 60);
        /// By how much an access token's life is shortened at random, in percent, so that refreshes spread out.
        lifetime_jitter_percent: u32 = 5, Int(0, 20);
    }
}
