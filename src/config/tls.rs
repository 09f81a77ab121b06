//! `[tls]`

use std::path::PathBuf;

use super::section::section;
use super::value::File;

section! {
    /// The public listener's own TLS. Without it a proxy terminates TLS.
    pub struct Tls {
        /// The certificate chain, PEM, the server's own certificate first. Read again when the file changes.
        certificate: Option<PathBuf> = None, File;
        /// Its private key, PEM.
        key: Option<PathBuf> = None, File;
    }
}
