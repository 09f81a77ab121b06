//! `[protocol]`

use super::section::section;
use super::value::Flag;

section! {
    /// What is spoken for the sake of others only.
    pub struct Protocol {
        /// Whether clients of the profile `oidc-certification` may have the implicit and hybrid response types.
        legacy_response_types: bool = false, Flag;
    }
}
