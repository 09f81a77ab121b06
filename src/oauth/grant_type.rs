//! Grant types (RFC 6749 §4, §6). Implicit and password grants do not exist here (RFC 9700 §2.1.2, §2.4).

words! {
    /// A `grant_type` value.
    GrantType ("grant type") {
        /// A code from the authorization endpoint (RFC 6749 §4.1.3).
        AuthorizationCode = "authorization_code",
        /// A refresh token (RFC 6749 §6).
        RefreshToken = "refresh_token",
        /// The client itself, no user (RFC 6749 §4.4).
        ClientCredentials = "client_credentials",
    }
}
