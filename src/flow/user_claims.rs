//! What is told of a user, by scope (OpenID Connect Core §5.4) or by name (§5.5).

use serde_json::{Map, Value};

use crate::model::client::Client;
use crate::model::user::Subject;
use crate::oauth::claims_request::Wanted;
use crate::oauth::scope::Scope;
use crate::oauth::standard_claims::{BY_SCOPE, check, scope_of};

/// The standard claims of a user that a scope opens.
pub fn of_scope(subject: &Subject, scope: &Scope) -> Map<String, Value> {
    let opened =
        BY_SCOPE.iter().filter(|(name, _)| scope.contains(name)).flat_map(|(_, claims)| claims.iter());
    opened.filter_map(|name| Some(((*name).to_owned(), standard(subject, name)?))).collect()
}

/// The standard claims asked for by name. What the client is registered for bounds them like a scope: a name must not
/// open what the operator keeps from the client.
pub fn by_name(subject: &Subject, client: &Client, wanted: &Wanted) -> Map<String, Value> {
    let open = wanted.keys().filter(|name| may_have(client, name));
    open.filter_map(|name| Some((name.clone(), standard(subject, name)?))).collect()
}

/// Whether a client may be told a claim at all.
pub fn may_have(client: &Client, claim: &str) -> bool {
    scope_of(claim).is_some_and(|scope| client.metadata.scope.contains(scope))
}

/// A standard claim, if the user has it. A value of another type than the standard's, stored before types were
/// checked, is as good as none: a relying party would stumble over it.
fn standard(subject: &Subject, name: &str) -> Option<Value> {
    match name {
        "preferred_username" => Some(Value::from(subject.username.clone())),
        "updated_at" => Some(Value::from(subject.updated_at.seconds())),
        "email" => subject.email.clone().map(Value::from),
        "email_verified" => subject.email.as_ref().map(|_| Value::from(subject.email_verified)),
        _ => subject.claims.get(name).filter(|value| check(name, value).is_ok()).cloned(),
    }
}
