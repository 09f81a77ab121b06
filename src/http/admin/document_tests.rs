//! The OpenAPI document and the code say the same.

use std::collections::BTreeSet;

use serde_json::Value;

use super::problem::Kind;
use super::{OPENAPI, ROUTES};
use crate::oauth::api_metadata::ApiMetadata;
use crate::oauth::client_metadata::ClientMetadata;

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "patch", "head", "options"];

fn document() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_route_table_and_the_document_agree() {
    let document = document();
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(METHODS.contains(&method.as_str()), "{path}: {method}");
            let open =
                operation.get("security").is_some_and(|security| security.as_array().unwrap().is_empty());
            documented.insert((method.to_uppercase(), path.clone(), !open));
        }
    }
    let routed: BTreeSet<_> = ROUTES
        .iter()
        .map(|route| (route.method.to_string(), route.path.to_owned(), route.scope.is_some()))
        .collect();
    assert_eq!(routed.len(), ROUTES.len(), "a route is listed twice");
    assert_eq!(documented, routed);
    assert_eq!(document["servers"][0]["url"], super::BASE);
}

#[test]
fn only_the_document_itself_is_open() {
    let open: Vec<_> = ROUTES.iter().filter(|route| route.scope.is_none()).map(|route| route.path).collect();
    assert_eq!(open, ["/openapi.json"]);
}

#[test]
fn each_operation_has_its_parameters_and_an_id_of_its_own() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let in_path: BTreeSet<_> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        for (method, operation) in item.as_object().unwrap() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{method} {path}");
            let parameters = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
            let named: BTreeSet<_> = parameters
                .map(|parameter| resolve(&document, parameter))
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            assert_eq!(named, in_path, "{method} {path}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_used() {
    let document = document();
    let mut used = BTreeSet::new();
    references(&document, &mut used);
    for reference in &used {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
    for kind in ["schemas", "parameters", "headers"] {
        for name in keys(&document["components"][kind]) {
            assert!(used.contains(&format!("#/components/{kind}/{name}")), "{kind}/{name} is used nowhere");
        }
    }
}

#[test]
fn every_operation_that_revokes_documents_the_batch() {
    let document = document();
    for route in ROUTES {
        let method = route.method.as_str().to_lowercase();
        let responses = document["paths"][route.path][&method]["responses"].as_object().unwrap();
        for (status, response) in responses {
            let named = response["headers"]["Revocation-Batch"].is_object();
            assert_eq!(named, route.revokes && status.starts_with('2'), "{route:?} {status}");
        }
    }
    assert_eq!(ROUTES.iter().filter(|route| route.revokes).count(), 8);
}

#[test]
fn problems_are_documented_under_their_names_and_statuses() {
    let document = document();
    let responses = keys(&document["components"]["responses"]);
    let kinds: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.name().to_owned()).collect();
    assert_eq!(responses, kinds);
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let Some(name) = response.get("$ref").and_then(Value::as_str) else { continue };
                let name = name.rsplit('/').next().unwrap();
                let kind = Kind::ALL.iter().find(|kind| kind.name() == name).unwrap();
                assert_eq!(kind.status().as_str(), status, "{method} {path} {name}");
            }
        }
    }
}

#[test]
fn client_metadata_is_documented_member_by_member() {
    // Every optional member set, so that it is serialised.
    let full = ClientMetadata {
        client_name: Some(String::new()),
        client_uri: Some(String::new()),
        logo_uri: Some(String::new()),
        policy_uri: Some(String::new()),
        tos_uri: Some(String::new()),
        id_token_signed_response_alg: Some(String::new()),
        access_token_signed_response_alg: Some(String::new()),
        client_class: Some(crate::oauth::client_metadata::ClientClass::Spa),
        rotate_refresh_tokens: Some(true),
        access_token_lifetime: Some(0),
        refresh_token_idle_lifetime: Some(0),
        refresh_token_lifetime: Some(0),
        default_max_age: Some(0),
        ..ClientMetadata::default()
    };
    let members = keys(&serde_json::to_value(&full).unwrap());
    let schemas = &document()["components"]["schemas"];
    for schema in ["ClientMetadata", "ClientMetadataPatch"] {
        assert_eq!(keys(&schemas[schema]["properties"]), members, "{schema}");
    }
}

#[test]
fn api_metadata_is_documented_member_by_member() {
    let full = ApiMetadata {
        name: Some(String::new()),
        signing_alg: Some(String::new()),
        access_token_lifetime: Some(0),
        ..ApiMetadata::default()
    };
    let members = keys(&serde_json::to_value(&full).unwrap());
    let schemas = &document()["components"]["schemas"];
    for schema in ["ApiMetadata", "ApiMetadataPatch"] {
        assert_eq!(keys(&schemas[schema]["properties"]), members, "{schema}");
    }
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                found.insert(reference.to_owned());
            }
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}
