//! How a client proves itself at the token endpoint (RFC 6749 §2.3.1, RFC 7591 §2).

words! {
    /// A `token_endpoint_auth_method` value.
    AuthMethod ("authentication method") {
        /// The secret in the `Authorization` header (RFC 6749 §2.3.1).
        ClientSecretBasic = "client_secret_basic",
        /// The secret in the request body (RFC 6749 §2.3.1).
        ClientSecretPost = "client_secret_post",
        /// A public client: it has no secret (RFC 6749 §2.1).
        None = "none",
    }
}

impl AuthMethod {
    /// Whether the client has no secret (RFC 6749 §2.1).
    pub const fn is_public(self) -> bool {
        matches!(self, Self::None)
    }
}
