//! The `prompt` parameter (OpenID Connect Core §3.1.2.1).

words! {
    /// One `prompt` value.
    Prompt ("prompt") {
        /// Show no page at all.
        None = "none",
        /// Ask for the credentials again.
        Login = "login",
        /// Ask for consent again.
        Consent = "consent",
        /// Let the user choose an account.
        SelectAccount = "select_account",
    }
}

/// The set of values of one `prompt` parameter; empty if it was absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prompts(u8);

impl Prompts {
    /// Reads a space-separated list. The error is an `error_description` for `invalid_request`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut prompts = Self::default();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let prompt: Prompt = word.parse().map_err(super::UnknownWord::description)?;
            prompts.0 |= bit(prompt);
        }
        // OpenID Connect Core §3.1.2.1: with any other value beside it, none is an error.
        if prompts.contains(Prompt::None) && prompts.0 != bit(Prompt::None) {
            return Err("The prompt value none cannot be combined with others. Send it alone.");
        }
        Ok(prompts)
    }

    /// Whether `prompt` was asked for.
    pub const fn contains(self, prompt: Prompt) -> bool {
        self.0 & bit(prompt) != 0
    }
}

impl std::fmt::Display for Prompts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let asked: Vec<_> =
            Prompt::ALL.iter().filter(|prompt| self.contains(**prompt)).map(|p| p.as_str()).collect();
        f.write_str(&asked.join(" "))
    }
}

const fn bit(prompt: Prompt) -> u8 {
    match prompt {
        Prompt::None => 1,
        Prompt::Login => 2,
        Prompt::Consent => 4,
        Prompt::SelectAccount => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_stands_alone() {
        assert!(Prompts::parse("none").unwrap().contains(Prompt::None));
        for bad in ["none login", "login none", "none consent select_account"] {
            assert!(Prompts::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_combine_and_read_back() {
        let prompts = Prompts::parse("consent login").unwrap();
        assert_eq!(prompts.to_string(), "login consent");
        assert_eq!(Prompts::parse(&prompts.to_string()), Ok(prompts));
        assert!(!prompts.contains(Prompt::SelectAccount));
    }

    #[test]
    fn unknown_values_are_refused() {
        for bad in ["create", "NONE", "login,consent", "login\tconsent"] {
            let problem = Prompts::parse(bad).expect_err(bad);
            assert!(crate::oauth::text::is_description(problem), "{problem}");
        }
    }
}
