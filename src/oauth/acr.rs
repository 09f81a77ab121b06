//! Authentication context classes (`acr`, OpenID Connect Core §2): how much a sign-in proves.

/// A sign-in with a password.
pub const PASSWORD: &str = "1";
/// A sign-in of which nothing can be said: the value that OpenID Connect Core §2 has for it.
const NONE: &str = "0";

/// The classes that a sign-in here can reach, the weakest first.
pub const SUPPORTED: [&str; 1] = [PASSWORD];

/// The class of a sign-in by its methods (RFC 8176).
pub fn acr_of(amr: &[String]) -> &'static str {
    if amr.iter().any(|method| method == "pwd") { PASSWORD } else { NONE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_what_the_methods_prove() {
        assert_eq!(acr_of(&["pwd".to_owned()]), "1");
        assert_eq!(acr_of(&[]), "0");
        assert!(!SUPPORTED.contains(&NONE));
    }
}
