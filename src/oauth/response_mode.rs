//! How an authorization response travels (OAuth 2.0 Multiple Response Type Encoding Practices §2.1, OAuth 2.0 Form Post
//! Response Mode §2).

words! {
    /// A `response_mode` value.
    ResponseMode ("response mode") {
        /// In the query of a redirect.
        Query = "query",
        /// In the fragment of a redirect.
        Fragment = "fragment",
        /// In a form that the browser posts.
        FormPost = "form_post",
    }
}
