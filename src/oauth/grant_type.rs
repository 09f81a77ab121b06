//! Grant types (RFC 6749 §4, §6). The password grant does not exist here (RFC 9700 §2.1.2, §2.4); `implicit` is a name in
//! registrations of legacy clients and nothing that the token endpoint knows.

words! {
    /// A `grant_type` value.
    GrantType ("grant type") {
        /// A code from the authorization endpoint (RFC 6749 §4.1.3).
        AuthorizationCode = "authorization_code",
        /// A refresh token (RFC 6749 §6).
        RefreshToken = "refresh_token",
        /// The client itself, no user (RFC 6749 §4.4).
        ClientCredentials = "client_credentials",
        /// Legacy: tokens from the authorization endpoint (RFC 7591 §2). Never a `grant_type` of a token request.
        Implicit = "implicit",
    }
}

impl GrantType {
    /// Those that there are at a server with or without the legacy response types.
    pub fn offered(legacy: bool) -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(move |grant| legacy || *grant != Self::Implicit)
    }
}
