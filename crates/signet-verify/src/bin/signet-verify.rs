//! Answers nginx `auth_request` and Envoy `ext_authz`.

fn main() {}
