# The common tasks. Each is a script or a plain cargo command, so `just` itself is optional.

# What a change needs before it is worth a look: SQLite only, no installation.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps
    cargo test --workspace

# What CI runs: PostgreSQL, dependency rules and deployment files too.
check-all:
    bash .ci/run

# Every test on both databases; arguments go to `cargo test`.
test *args:
    scripts/test {{args}}

# The benchmark; `just bench --quick` for a smoke run.
bench *args:
    scripts/bench {{args}}

# Format the code.
fmt:
    cargo fmt --all
