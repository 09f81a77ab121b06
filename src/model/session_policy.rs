//! What a deployment decides about login sessions beyond their lifetimes.

/// What gives way when a user would have more sessions than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverLimit {
    /// The session that was begun first.
    EndOldest,
    /// The sign-in.
    Refuse,
}

/// What follows when a session comes back from somewhere else than it began (soft binding). The policies are ordered by
/// strictness, so that of two changes the stricter answer wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Nothing.
    Ignore,
    /// An event in the audit log, once per change.
    Note,
    /// The same, and the user has to sign in again before the session goes on.
    Reauthenticate,
    /// The same, and the session ends.
    End,
}
