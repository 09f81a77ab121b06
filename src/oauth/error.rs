//! The error codes of the specifications, each with the one status it is answered with.

words! {
    /// An `error` value. The status sits on the code, so that no endpoint can choose its own.
    ErrorCode ("error code") {
        /// A parameter is missing, repeated, malformed or does not fit the others (RFC 6749 §5.2, §4.1.2.1).
        InvalidRequest = "invalid_request",
        /// Client authentication failed (RFC 6749 §5.2).
        InvalidClient = "invalid_client",
        /// The code or refresh token is unknown, expired, revoked or another client's (RFC 6749 §5.2).
        InvalidGrant = "invalid_grant",
        /// The client may not use this grant or response type (RFC 6749 §5.2, §4.1.2.1).
        UnauthorizedClient = "unauthorized_client",
        /// The server does not know this grant type (RFC 6749 §5.2).
        UnsupportedGrantType = "unsupported_grant_type",
        /// The scope is unknown, malformed or wider than granted (RFC 6749 §5.2, §4.1.2.1).
        InvalidScope = "invalid_scope",
        /// The user or the server said no (RFC 6749 §4.1.2.1).
        AccessDenied = "access_denied",
        /// The server does not know this response type (RFC 6749 §4.1.2.1).
        UnsupportedResponseType = "unsupported_response_type",
        /// A fault inside the server (RFC 6749 §4.1.2.1).
        ServerError = "server_error",
        /// The server cannot answer now; the same request may work later (RFC 6749 §4.1.2.1).
        TemporarilyUnavailable = "temporarily_unavailable",
        /// `prompt=none`, but the user has to do something (OpenID Connect Core §3.1.2.6).
        InteractionRequired = "interaction_required",
        /// `prompt=none`, but the user has to sign in (OpenID Connect Core §3.1.2.6).
        LoginRequired = "login_required",
        /// `prompt=none`, but the user has to choose an account (OpenID Connect Core §3.1.2.6).
        AccountSelectionRequired = "account_selection_required",
        /// `prompt=none`, but the user has to consent (OpenID Connect Core §3.1.2.6).
        ConsentRequired = "consent_required",
        /// The `request_uri` cannot be used (OpenID Connect Core §3.1.2.6).
        InvalidRequestUri = "invalid_request_uri",
        /// The request object cannot be used (OpenID Connect Core §3.1.2.6).
        InvalidRequestObject = "invalid_request_object",
        /// The server does not take `registration` (OpenID Connect Core §3.1.2.6).
        RegistrationNotSupported = "registration_not_supported",
        /// The access token is unknown, expired or revoked (RFC 6750 §3.1).
        InvalidToken = "invalid_token",
        /// The access token does not reach far enough (RFC 6750 §3.1).
        InsufficientScope = "insufficient_scope",
        /// Tokens of this kind cannot be revoked here (RFC 7009 §2.2.1).
        UnsupportedTokenType = "unsupported_token_type",
        /// The client metadata cannot be registered (RFC 7591 §3.2.2).
        InvalidClientMetadata = "invalid_client_metadata",
        /// A redirect URI cannot be registered (RFC 7591 §3.2.2).
        InvalidRedirectUri = "invalid_redirect_uri",
        /// An essential `acr` cannot be reached (OpenID Connect Core Unmet Authentication Requirements §2).
        UnmetAuthenticationRequirements = "unmet_authentication_requirements",
        /// The `resource` is unknown or not for this client (RFC 8707 §2).
        InvalidTarget = "invalid_target",
    }
}

impl ErrorCode {
    /// The HTTP status where the error is answered directly, not by redirect.
    ///
    /// RFC 6749 §5.2: 400 unless stated otherwise, which holds for `access_denied` too: it is about the
    /// user's decision, not about the credentials of the HTTP request.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidClient | Self::InvalidToken => 401,
            Self::InsufficientScope => 403,
            Self::ServerError => 500,
            Self::TemporarilyUnavailable => 503,
            _ => 400,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_the_status_of_its_specification() {
        assert_eq!(ErrorCode::InvalidClient.status(), 401);
        assert_eq!(ErrorCode::InvalidToken.status(), 401);
        assert_eq!(ErrorCode::InsufficientScope.status(), 403);
        assert_eq!(ErrorCode::ServerError.status(), 500);
        assert_eq!(ErrorCode::TemporarilyUnavailable.status(), 503);
        assert_eq!(ErrorCode::InvalidGrant.status(), 400);
        assert_eq!(ErrorCode::AccessDenied.status(), 400);
    }

    #[test]
    fn words_read_back_and_no_other_spelling_does() {
        for code in ErrorCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
            assert!(code.as_str().to_uppercase().parse::<ErrorCode>().is_err());
            assert!(crate::oauth::text::is_description(code.as_str()));
        }
    }
}
