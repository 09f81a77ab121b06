//! `[sessions]`

use super::section::section;
use super::value::{Choice, Flag, Int, OneOf};

section! {
    /// Login sessions in the browser. The bounds are those of NIST SP 800-63B-4 for one factor.
    pub struct Sessions {
        /// A session unused for this long ends, in minutes.
        idle_minutes: u32 = 60, Int(1, 43_200);
        /// A session this old ends, in hours.
        absolute_hours: u32 = 24, Int(1, 720);
        /// Whether people may ask to stay signed in.
        remember_me: bool = true, Flag;
        /// As `idle_minutes` for those who did, in days.
        remember_idle_days: u32 = 14, Int(1, 30);
        /// As `absolute_hours` for those who did, in days.
        remember_absolute_days: u32 = 30, Int(1, 30);
        /// How long one visit to the sign-in pages may take, in minutes.
        interaction_minutes: u32 = 30, Int(1, 240);
        /// How recent a sign-in has to be for what is sensitive on the account pages, in minutes.
        fresh_minutes: u32 = 15, Int(1, 1440);
        /// Sessions that a user may have at once; 0 is any number.
        max_per_user: u32 = 0, Int(0, 1000);
        /// What gives way when a sign-in would make one more.
        over_limit: OverLimit = OverLimit::EndOldest, OneOf;
        /// What follows when a session comes back from another browser or operating system.
        on_new_browser: Change = Change::Note, OneOf;
        /// What follows when a session comes back from another network.
        on_new_network: Change = Change::Note, OneOf;
        /// Whether a role that is taken away ends what its user has open.
        end_on_role_loss: bool = true, Flag;
    }
}

/// What gives way when a user would have more sessions than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverLimit {
    /// The session that was begun first.
    EndOldest,
    /// The sign-in.
    Refuse,
}

/// What follows when a session comes back from somewhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Ignore,
    /// An event in the audit log.
    Note,
    /// The user has to sign in again.
    Reauthenticate,
    /// The session ends.
    End,
}

impl Choice for OverLimit {
    const ALL: &'static [(&'static str, Self)] = &[("end_oldest", Self::EndOldest), ("refuse", Self::Refuse)];
}

impl Choice for Change {
    const ALL: &'static [(&'static str, Self)] = &[
        ("ignore", Self::Ignore),
        ("note", Self::Note),
        ("reauthenticate", Self::Reauthenticate),
        ("end", Self::End),
    ];
}
