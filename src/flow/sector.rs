//! The document behind `sector_identifier_uri`, by which clients at several hosts share pairwise subjects (OpenID Connect
//! Core §8.1, Registration §5): whoever keeps it says whose redirect URIs are of the sector.

use super::Provider;
use crate::fetch::Behalf;
use crate::oauth::client_metadata::{ClientMetadata, MetadataProblem};

/// The metadata's field.
const FIELD: &str = "sector_identifier_uri";

/// Fetches the document, if one is named, and finds every redirect URI in it. Without this, anybody could join a sector
/// and see its users' subjects.
///
/// # Errors
/// A document that cannot be had, or that lacks a redirect URI.
pub async fn check(op: &Provider, metadata: &ClientMetadata, behalf: &Behalf) -> Result<(), MetadataProblem> {
    let Some(uri) = &metadata.sector_identifier_uri else { return Ok(()) };
    let fetched = op.fetch.get(uri, "application/json", behalf).await;
    let fetched = fetched
        .map_err(|error| MetadataProblem::new(FIELD, format!("The document cannot be fetched: {error}.")))?;
    missing(metadata, &fetched.body)
}

/// Whether a change needs the document to be looked at again.
pub fn concerns(former: &ClientMetadata, metadata: &ClientMetadata) -> bool {
    let of = |one: &ClientMetadata| (one.sector_identifier_uri.clone(), one.redirect_uris.clone());
    of(former) != of(metadata)
}

fn missing(metadata: &ClientMetadata, document: &[u8]) -> Result<(), MetadataProblem> {
    let listed: Vec<String> = serde_json::from_slice(document).map_err(|_| {
        MetadataProblem::new(FIELD, "The document must be a JSON array of redirect URIs, and nothing else.")
    })?;
    match metadata.redirect_uris.iter().find(|uri| !listed.iter().any(|one| one == uri.as_str())) {
        None => Ok(()),
        Some(uri) => Err(MetadataProblem::new(
            FIELD,
            format!("The document does not list {:?}. Add it there, or remove it here.", uri.as_str()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::redirect_uri::parse_registered;

    fn with(uris: &[&str]) -> ClientMetadata {
        let redirect_uris = uris.iter().map(|uri| parse_registered(uri).unwrap()).collect();
        ClientMetadata { redirect_uris, ..ClientMetadata::default() }
    }

    #[test]
    fn every_redirect_uri_is_listed_byte_for_byte() {
        let metadata = with(&["https://a.example/cb", "https://b.example/cb"]);
        let is_listed = |document: &str| missing(&metadata, document.as_bytes()).is_ok();
        assert!(is_listed(r#"["https://b.example/cb","https://a.example/cb","https://c.example/cb"]"#));
        for document in [
            "[]",
            r#"["https://a.example/cb"]"#,
            r#"["https://a.example/cb","https://b.example/cb/"]"#,
            r#"["https://a.example/cb","https://b.example/CB"]"#,
            r#"["https://a.example/cb","https://b.example"]"#,
            r#"["https://a.example/cb","https://b.example/cb",1]"#,
            r#"{"redirect_uris":["https://a.example/cb","https://b.example/cb"]}"#,
            r#"["https://a.example/cb","https://b.example/cb"] []"#,
            "",
        ] {
            assert!(!is_listed(document), "{document}");
        }
    }

    #[test]
    fn only_a_change_of_what_the_document_says_needs_it() {
        let former = with(&["https://a.example/cb"]);
        assert!(!concerns(&former, &ClientMetadata { client_name: Some("A".to_owned()), ..former.clone() }));
        assert!(concerns(&former, &with(&["https://a.example/cb", "https://b.example/cb"])));
        let sector = Some("https://a.example/sector".to_owned());
        assert!(concerns(&former, &ClientMetadata { sector_identifier_uri: sector, ..former.clone() }));
    }
}
