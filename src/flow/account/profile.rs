//! Names and language: what users may say of themselves.

use serde_json::{Map, Value};

use super::Visitor;
use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::admin::users::{self, UpdateUser};
use crate::flow::admin::{AdminError, By};
use crate::flow::browser::Browser;
use crate::flow::rejection::{Outcome, Rejection};
use crate::model::account::{OWN_CLAIMS, check_own_claim};
use crate::model::user::User;

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It is as was wished.
    Done,
    /// A field cannot be so: its name, and a sentence that names the fix.
    Refused(&'static str, &'static str),
    /// The account has changed meanwhile, more often than was tried.
    Changed,
}

/// What a field shows; a claim that is no text is the operator's business and shows nothing.
pub fn shown<'u>(user: &'u User, claim: &str) -> &'u str {
    user.claims.get(claim).and_then(Value::as_str).unwrap_or_default()
}

/// Sets the display claims of a user; an empty value takes the claim away. `value` gives what was sent for a claim.
///
/// # Errors
/// A fault; then nothing has changed.
pub async fn save(
    op: &Provider,
    visitor: &Visitor,
    value: impl Fn(&str) -> Option<String>,
    browser: &Browser,
    now: Timestamp,
) -> Outcome<Saved> {
    let mut claims = Map::new();
    for claim in OWN_CLAIMS {
        // A form without the field says nothing about it.
        let Some(wished) = value(claim) else { continue };
        let wished = wished.trim();
        if wished == shown(&visitor.user, claim) {
            continue;
        }
        if wished.is_empty() {
            claims.insert(claim.to_owned(), Value::Null);
            continue;
        }
        if let Err(problem) = check_own_claim(claim, wished) {
            return Ok(Saved::Refused(claim, problem));
        }
        claims.insert(claim.to_owned(), Value::from(wished));
    }
    if claims.is_empty() {
        return Ok(Saved::Done);
    }
    let actor = visitor.actor();
    let by = By { actor: &actor, origin: &browser.origin, now };
    let change = UpdateUser { claims, ..UpdateUser::default() };
    match users::update(op, &by, visitor.user.id, &change).await {
        Ok(_) => Ok(Saved::Done),
        Err(AdminError::Fault(rejection)) => Err(rejection),
        Err(AdminError::Invalid { .. }) => {
            Ok(Saved::Refused("name", "This account holds too much already. Ask an operator."))
        }
        Err(AdminError::Changed | AdminError::Conflict { .. }) => Ok(Saved::Changed),
        Err(AdminError::NotFound(_)) => Err(Rejection::fault(&"the user of a live session is gone")),
    }
}
