//! How clients come to be registered (RFC 7591 §1.2).

words! {
    /// Who registered a client.
    Registered ("registration") {
        /// An operator.
        Operator = "operator",
        /// The client itself (RFC 7591).
        Dynamic = "dynamic",
        /// Nobody: its `client_id` is where its metadata are (OAuth Client ID Metadata Document).
        Document = "document",
    }
}
