//! How a client proves itself at the token endpoint (RFC 6749 §2.3.1, RFC 7591 §2).

words! {
    /// A `token_endpoint_auth_method` value.
    AuthMethod ("authentication method") {
        /// The secret in the `Authorization` header (RFC 6749 §2.3.1).
        ClientSecretBasic = "client_secret_basic",
        /// The secret in the request body (RFC 6749 §2.3.1).
        ClientSecretPost = "client_secret_post",
        /// A JWT under the secret (OpenID Connect Core §9).
        ClientSecretJwt = "client_secret_jwt",
        /// A JWT under a key of the client's own (OpenID Connect Core §9, RFC 7523 §2.2).
        PrivateKeyJwt = "private_key_jwt",
        /// A public client: it has no secret (RFC 6749 §2.1).
        None = "none",
    }
}

impl AuthMethod {
    /// Whether the client has no secret (RFC 6749 §2.1).
    pub const fn is_public(self) -> bool {
        matches!(self, Self::None)
    }

    /// Whether the client has a secret of ours.
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost | Self::ClientSecretJwt)
    }
}
