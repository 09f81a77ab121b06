# The server as a small image without a shell: docker build -t signet .
# Configuration comes from the environment (SIGNET_SECTION__KEY, secrets as …_FILE); see compose.yaml for a whole set-up.

# --- build: the Rust image brings the C compiler that aws-lc and SQLite need ---
FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin signet
# The image below cannot create folders, so it is made here and copied with its owner.
RUN mkdir -p /image/data

# --- run: glibc, libgcc and CA certificates, nothing else; the user is `nonroot` (65532) ---
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/signet /usr/local/bin/signet
COPY --from=build --chown=65532:65532 /image/data /data
USER 65532:65532
WORKDIR /data

# Inside a container loopback reaches nobody. What is published outside is the host's decision (compose.yaml keeps
# the admin port on the host's loopback).
ENV SIGNET_LISTEN=0.0.0.0:8080 \
    SIGNET_ADMIN_LISTEN=0.0.0.0:9000 \
    SIGNET_DATABASE__URL=sqlite:///data/signet.sqlite \
    SIGNET_KEYS__DIR=/data/keys
EXPOSE 8080 9000
VOLUME /data

# Signet drains open requests on SIGTERM.
STOPSIGNAL SIGTERM
# No shell and no curl in the image: the binary asks itself.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["/usr/local/bin/signet", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/signet"]
CMD ["serve"]
