//! Changing an account, without a database.

use super::*;
use serde_json::json;

fn user() -> User {
    User {
        id: UserId(uuid::Uuid::nil()),
        username: "alice".to_owned(),
        email: Some("alice@example.com".to_owned()),
        email_verified: true,
        password_phc: None,
        password_changed_at: Timestamp::default(),
        roles: vec!["reader".to_owned()],
        claims: json!({"name": "Alice", "zoneinfo": "Europe/Paris"}).as_object().unwrap().clone(),
        epoch: 0,
        disabled_at: None,
        created_at: Timestamp::default(),
        updated_at: Timestamp::from_seconds(7),
    }
}

#[test]
fn what_is_not_named_stays() {
    let change = changed(&user(), &UpdateUser::default()).unwrap();
    assert_eq!(change.email.as_deref(), Some("alice@example.com"));
    assert!(change.email_verified);
    assert_eq!(change.roles, ["reader"]);
    assert_eq!(change.claims, user().claims);
    assert_eq!(change.read_at, Timestamp::from_seconds(7));
}

#[test]
fn a_new_address_is_not_verified_by_the_old_ones_proof() {
    let email =
        |email: Option<&str>| UpdateUser { email: Some(email.map(str::to_owned)), ..UpdateUser::default() };
    assert!(!changed(&user(), &email(Some("mallory@example.com"))).unwrap().email_verified);
    assert!(changed(&user(), &email(Some("alice@example.com"))).unwrap().email_verified);
    let none = UpdateUser { email_verified: Some(true), ..email(None) };
    assert!(!changed(&user(), &none).unwrap().email_verified);
}

#[test]
fn claims_are_merged() {
    let claims = json!({"name": null, "locale": "fr"}).as_object().unwrap().clone();
    let change = changed(&user(), &UpdateUser { claims, ..UpdateUser::default() }).unwrap();
    assert_eq!(Value::Object(change.claims), json!({"zoneinfo": "Europe/Paris", "locale": "fr"}));
}

#[test]
fn claims_and_roles_have_bounds() {
    for name in ["sub", "iss", "rv", "email", "roles", "a b", ""] {
        let claims = Map::from_iter([(name.to_owned(), json!("x"))]);
        assert!(matches!(check_claims(&claims), Err(AdminError::Invalid { field: "claims", .. })), "{name}");
    }
    assert!(check_claims(&Map::from_iter([("name".to_owned(), json!("x".repeat(LONGEST_CLAIMS)))])).is_err());
    let birthday = Map::from_iter([("birthdate".to_owned(), json!("1.4.1990"))]);
    assert!(matches!(check_claims(&birthday), Err(AdminError::Invalid { field: "claims", .. })));
    for bad in [vec![""], vec!["a b"], vec!["a", "a"]] {
        let roles: Vec<_> = bad.iter().map(|role| (*role).to_owned()).collect();
        assert!(check_roles(&roles).is_err(), "{bad:?}");
    }
    assert!(check_roles(&["signet:admin".to_owned()]).is_ok());
}
