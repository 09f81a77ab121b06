//! `application/x-www-form-urlencoded` parameters, of a query or a body, read strictly (RFC 6749 §3.1, §3.2).

use std::borrow::Cow;

/// Most parameters accepted in one request.
pub const MAX_PARAMETERS: usize = 64;

/// The one parameter that may be given several times (RFC 8707 §2).
const REPEATABLE: &str = "resource";

/// Parsed parameters, each at most once but for `resource`. Callers ask for the names they know; all others are ignored.
///
/// `Debug` prints names only: values can be secrets.
#[derive(Clone, Default)]
pub struct Params(Vec<(String, String)>);

/// Why parameters cannot be read. All are `invalid_request`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamError {
    /// A parameter is given more than once (RFC 6749 §3.1). Holds the index of its name among the known ones.
    Repeated(RepeatedName),
    /// More than [`MAX_PARAMETERS`].
    TooMany,
    /// A percent sign without two hexadecimal digits, or bytes that are not UTF-8.
    Encoding,
    /// A NUL character, which no database text can hold.
    Nul,
}

/// The name of a repeated parameter, if it is one of ours; never text of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepeatedName {
    name: &'static str,
    description: &'static str,
}

impl RepeatedName {
    /// The name, or `a parameter`.
    pub const fn name(self) -> &'static str {
        self.name
    }
}

impl ParamError {
    /// An `error_description` for `invalid_request`.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Repeated(repeated) => repeated.description,
            Self::TooMany => "There are too many parameters. Send at most 64.",
            Self::Encoding => {
                "The parameters are not application/x-www-form-urlencoded UTF-8. Percent-encode them."
            }
            Self::Nul => "A parameter contains a NUL character. Remove it.",
        }
    }
}

impl std::fmt::Display for ParamError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.description())
    }
}

impl std::error::Error for ParamError {}

impl Params {
    /// Parses a query or a body. The caller bounds its size.
    pub fn parse(raw: &[u8]) -> Result<Self, ParamError> {
        let mut params = Self::default();
        for pair in raw.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = decode_component(halves.next().unwrap_or_default())?;
            let value = decode_component(halves.next().unwrap_or_default())?;
            params.push(name, value)?;
        }
        Ok(params)
    }

    /// Joins the parameters of a query and of a body; a name in both is repeated.
    pub fn merge(mut query: Self, body: Self) -> Result<Self, ParamError> {
        for (name, value) in body.0 {
            query.push(name, value)?;
        }
        Ok(query)
    }

    /// Parameters that came in another form than a query, each at most once.
    pub fn of_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, ParamError> {
        let mut params = Self::default();
        for (name, value) in pairs {
            if name.contains('\0') || value.contains('\0') {
                return Err(ParamError::Nul);
            }
            params.push(name, value)?;
        }
        Ok(params)
    }

    /// These parameters, and of `others` those whose names are not among them.
    pub fn over(mut self, others: &Self) -> Result<Self, ParamError> {
        let own: Vec<String> = self.names().map(str::to_owned).collect();
        for (name, value) in others.0.iter().filter(|(name, _)| !own.contains(name)) {
            self.push(name.clone(), value.clone())?;
        }
        Ok(self)
    }

    /// The parameters without this one.
    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self
    }

    /// The value of `name`. RFC 6749 §3.1: a parameter without a value counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty())
    }

    /// The values of a parameter that may be given several times, in the order received; empty ones count as absent.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty())
    }

    /// Moves the value of `name` out, for values that become secrets.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let (_, value) = self.0.iter_mut().find(|(known, _)| known == name)?;
        Some(std::mem::take(value)).filter(|value| !value.is_empty())
    }

    /// Whether there is no parameter at all, not even an empty or unknown one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parameters as `application/x-www-form-urlencoded`, for passing a request on.
    pub fn encoded(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }

    /// The names, in the order received.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    fn push(&mut self, name: String, value: String) -> Result<(), ParamError> {
        if name != REPEATABLE && self.names().any(|known| known == name) {
            return Err(ParamError::Repeated(repeated(&name)));
        }
        if self.0.len() == MAX_PARAMETERS {
            return Err(ParamError::TooMany);
        }
        self.0.push((name, value));
        Ok(())
    }
}

impl std::fmt::Debug for Params {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// Decodes one name or value: `+` is a space, each `%` needs two digits, the result is UTF-8 without NUL.
pub(super) fn decode_component(raw: &[u8]) -> Result<String, ParamError> {
    let spaced: Cow<'_, [u8]> = if raw.contains(&b'+') {
        raw.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect::<Vec<u8>>().into()
    } else {
        raw.into()
    };
    // The decoder passes broken escapes through, so they are looked for first.
    let whole = spaced
        .split(|byte| *byte == b'%')
        .skip(1)
        .all(|tail| matches!(tail, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()));
    if !whole {
        return Err(ParamError::Encoding);
    }
    let bytes: Vec<u8> = percent_encoding::percent_decode(&spaced).collect();
    let text = String::from_utf8(bytes).map_err(|_| ParamError::Encoding)?;
    if text.contains('\0') { Err(ParamError::Nul) } else { Ok(text) }
}

fn repeated(name: &str) -> RepeatedName {
    KNOWN.iter().copied().find(|known| known.name == name).unwrap_or(RepeatedName {
        name: "a parameter",
        description: "A parameter is given more than once. Send each parameter once.",
    })
}

/// Makes the table of known names, so that a description can name one and still be static.
macro_rules! known {
    ($($name:literal)+) => {
        &[$(RepeatedName {
            name: $name,
            description: concat!("The parameter ", $name, " is given more than once. Send it once."),
        },)+]
    };
}

/// The parameters of RFC 6749, RFC 7009, RFC 7636, RFC 7662, RFC 8628, RFC 8707, RFC 9126 and OpenID Connect.
const KNOWN: &[RepeatedName] = known!(
    "response_type" "client_id" "redirect_uri" "scope" "state" "response_mode" "nonce" "display" "prompt" "max_age"
    "ui_locales" "id_token_hint" "login_hint" "acr_values" "claims" "claims_locales" "request" "request_uri"
    "registration" "code_challenge" "code_challenge_method" "audience" "dpop_jkt" "grant_type" "code"
    "code_verifier" "refresh_token" "client_secret" "client_assertion" "client_assertion_type" "device_code"
    "user_code" "username" "password" "token" "token_type_hint" "access_token" "post_logout_redirect_uri"
    "logout_hint"
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Params, ParamError> {
        Params::parse(text.as_bytes())
    }

    #[test]
    fn values_are_decoded_and_empty_means_absent() {
        let mut params = parse("a=1+2&b=%C3%A9%2B&c=&d&e=x=y&&").unwrap();
        assert_eq!(params.get("a"), Some("1 2"));
        assert_eq!(params.get("b"), Some("é+"));
        assert_eq!((params.get("c"), params.get("d"), params.get("z")), (None, None, None));
        assert_eq!(params.take("e").as_deref(), Some("x=y"));
        assert_eq!(params.get("e"), None);
        assert_eq!(params.take("c"), None);
        assert!(!params.is_empty() && parse("&").unwrap().is_empty());
    }

    #[test]
    fn a_repeated_parameter_is_refused_however_it_is_spelled() {
        for bad in ["state=a&state=a", "state=&state=a", "state=a&state", "state=a&st%61te=b"] {
            let Err(ParamError::Repeated(repeated)) = parse(bad) else { panic!("{bad}") };
            assert_eq!(repeated.name(), "state");
        }
        let Err(ParamError::Repeated(repeated)) = parse("evil%22=1&evil%22=2") else { panic!() };
        assert_eq!(repeated.name(), "a parameter");
        let (query, body) = (parse("client_id=a").unwrap(), parse("client_id=a&x=y").unwrap());
        assert!(matches!(Params::merge(query.clone(), body), Err(ParamError::Repeated(_))));
        let merged = Params::merge(query, parse("x=y").unwrap()).unwrap();
        assert_eq!((merged.get("client_id"), merged.get("x")), (Some("a"), Some("y")));
    }

    #[test]
    fn only_resource_may_be_repeated() {
        let params = parse("resource=urn:a:b&resource=&x=1&resource=urn:a:c&resource=urn:a:b").unwrap();
        assert_eq!(params.all("resource").collect::<Vec<_>>(), ["urn:a:b", "urn:a:c", "urn:a:b"]);
        assert_eq!(params.get("resource"), Some("urn:a:b"));
        assert!(Params::merge(parse("resource=a").unwrap(), parse("resource=b").unwrap()).is_ok());
        assert!(parse("Resource=a&Resource=b").is_err() && parse("audience=a&audience=b").is_err());
    }

    #[test]
    fn broken_encodings_are_refused() {
        for bad in ["a=%", "a=%4", "a=%zz", "a=%+1", "%=a", "a=%c3%28", "a=%ff", "a=%ed%a0%80", "a=%u0041"] {
            assert_eq!(parse(bad).unwrap_err(), ParamError::Encoding, "{bad}");
        }
        assert_eq!(Params::parse(b"a=\xff").unwrap_err(), ParamError::Encoding);
        assert_eq!(parse("a=%00").unwrap_err(), ParamError::Nul);
        assert_eq!(parse("a\0=1").unwrap_err(), ParamError::Nul);
    }

    #[test]
    fn the_count_is_bounded() {
        let many = |n: usize| (0..n).map(|i| format!("p{i}=1")).collect::<Vec<_>>().join("&");
        assert!(parse(&many(MAX_PARAMETERS)).is_ok());
        assert_eq!(parse(&many(MAX_PARAMETERS + 1)).unwrap_err(), ParamError::TooMany);
    }

    #[test]
    fn descriptions_fit_the_wire_and_debug_shows_no_value() {
        for known in KNOWN {
            assert!(crate::oauth::text::is_description(known.description), "{}", known.name);
        }
        for error in
            [ParamError::TooMany, ParamError::Encoding, ParamError::Nul, ParamError::Repeated(repeated("x"))]
        {
            assert!(crate::oauth::text::is_description(error.description()));
        }
        assert_eq!(format!("{:?}", parse("password=hunter2").unwrap()), "[\"password\"]");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Params::parse(&raw);
        }

        #[test]
        fn what_another_encoder_wrote_is_read_back(name in "[a-z]{1,8}", value in "[^\0]{1,40}") {
            let body = form_urlencoded::Serializer::new(String::new()).append_pair(&name, &value).finish();
            let params = parse(&body).unwrap();
            prop_assert_eq!(params.get(&name), Some(value.as_str()));
        }
    }
}
