//! Response types of the authorization endpoint (RFC 6749 §3.1.1). Only `code`: tokens never travel in a
//! redirect (RFC 9700 §2.1.2).

words! {
    /// A `response_type` value.
    ResponseType ("response type") {
        /// An authorization code (RFC 6749 §4.1.1).
        Code = "code",
    }
}
