//! `/admin/v1/users`.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderValue, LOCATION};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::call::{Call, with_etag};
use super::problem::Problem;
use super::{Reply, audit, page};
use crate::flow::admin::users::{self, CreateUser, UpdateUser};
use crate::flow::admin::{AdminError, Page, view};
use crate::flow::logout::LoggedOut;
use crate::model::user::User;
use crate::secret::{Password, SessionId, UserId};

/// The body of POST. Everything else of an account (id, epoch, hashes, times) is the server's (S-102).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    username: String,
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
    #[serde(default, deserialize_with = "some_password")]
    password: Option<Password>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    claims: Map<String, Value>,
}

/// The body of PATCH: a merge patch of these members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    username: Option<String>,
    #[serde(default, deserialize_with = "present")]
    email: Option<Option<String>>,
    email_verified: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    roles: Option<Option<Vec<String>>>,
    #[serde(default, deserialize_with = "present")]
    claims: Option<Option<Map<String, Value>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetPassword {
    #[serde(deserialize_with = "password")]
    password: Password,
    keep_session: Option<SessionId>,
}

pub(super) async fn list(call: Call) -> Reply {
    let query = call.query(&["limit", "cursor", "login"])?;
    let limit = page::limit(&query)?;
    let found = match query.get("login") {
        None => users::list(call.op(), page::cursor(&query, "users")?, limit).await?,
        Some(login) => match users::find(call.op(), login).await {
            Ok(user) => Page { items: vec![user], next: None },
            Err(AdminError::NotFound(_)) => Page { items: Vec::new(), next: None },
            Err(error) => return Err(error.into()),
        },
    };
    Ok(page::render(&call, &query, "users", (found, view::user)))
}

pub(super) async fn create(call: Call) -> Reply {
    let body: Create = call.json()?;
    let request = CreateUser {
        username: body.username,
        email: body.email,
        email_verified: body.email_verified,
        password: body.password,
        roles: body.roles,
        claims: body.claims,
    };
    let user = users::create(call.op(), &call.by(), request).await?;
    let mut response = super::json(HttpResponse::Created(), &view::user(&user));
    if let Ok(location) = HeaderValue::from_str(&format!("{}/users/{}", super::BASE, user.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(with_etag(response, user.updated_at))
}

pub(super) async fn show(call: Call) -> Reply {
    Ok(answer(&users::show(call.op(), id(&call)?).await?))
}

pub(super) async fn update(call: Call) -> Reply {
    let body: Update = call.json()?;
    let id = id(&call)?;
    let claims = match body.claims {
        None => Map::new(),
        Some(Some(changes)) => changes,
        // `"claims": null` takes all of them away.
        Some(None) => {
            let present = users::show(call.op(), id).await?.claims;
            present.into_iter().map(|(name, _)| (name, Value::Null)).collect()
        }
    };
    let request = UpdateUser {
        username: body.username,
        email: body.email,
        email_verified: body.email_verified,
        roles: body.roles.map(Option::unwrap_or_default),
        claims,
        expected: call.if_match()?,
    };
    Ok(answer(&users::update(call.op(), &call.by(), id, &request).await?))
}

pub(super) async fn disable(call: Call) -> Reply {
    call.no_body()?;
    Ok(ended(&users::disable(call.op(), &call.by(), id(&call)?).await?))
}

pub(super) async fn enable(call: Call) -> Reply {
    call.no_body()?;
    Ok(answer(&users::enable(call.op(), &call.by(), id(&call)?).await?))
}

pub(super) async fn set_password(call: Call) -> Reply {
    let body: SetPassword = call.json()?;
    let done =
        users::set_password(call.op(), &call.by(), id(&call)?, body.password, body.keep_session).await?;
    Ok(ended(&done))
}

pub(super) async fn logout_all(call: Call) -> Reply {
    call.no_body()?;
    Ok(ended(&users::logout_all(call.op(), &call.by(), id(&call)?).await?))
}

pub(super) async fn sessions(call: Call) -> Reply {
    call.query(&[])?;
    let open = users::sessions(call.op(), id(&call)?, call.now).await?;
    Ok(super::json(HttpResponse::Ok(), &view::sessions(&open)))
}

pub(super) async fn history(call: Call) -> Reply {
    let id = id(&call)?;
    users::show(call.op(), id).await?;
    audit::answer(&call, Some(id)).await
}

pub(super) fn ended(done: &LoggedOut) -> HttpResponse {
    super::json(HttpResponse::Ok(), &view::logged_out(done))
}

fn id(call: &Call) -> Result<UserId, Problem> {
    call.id("id", "user")
}

fn answer(user: &User) -> HttpResponse {
    with_etag(super::json(HttpResponse::Ok(), &view::user(user)), user.updated_at)
}

/// Tells `null` from absent.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(input: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(input).map(Some)
}

fn password<'de, D: Deserializer<'de>>(input: D) -> Result<Password, D::Error> {
    String::deserialize(input).map(Password::new)
}

fn some_password<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Password>, D::Error> {
    Ok(Option::<String>::deserialize(input)?.map(Password::new))
}
