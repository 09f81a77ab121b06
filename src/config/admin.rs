//! `[admin]`

use super::section::section;
use super::value::Flag;

section! {
    /// The administration API.
    pub struct Admin {
        /// Whether it is reachable on the public listener too.
        allow_on_public: bool = false, Flag;
    }
}
