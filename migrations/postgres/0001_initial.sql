-- Times are milliseconds since 1970-01-01 UTC; lists and objects are JSON as text; secrets are SHA-256 hashes.

CREATE TABLE installation (
    id                BIGINT NOT NULL CONSTRAINT installation_pk PRIMARY KEY,
    created_at        BIGINT NOT NULL,
    master_key_check  TEXT   NOT NULL,
    key_version       BIGINT NOT NULL,
    client_version    BIGINT NOT NULL,
    CONSTRAINT installation_single CHECK (id = 1)
);

CREATE TABLE users (
    id                   UUID    NOT NULL CONSTRAINT users_pk PRIMARY KEY,
    username             TEXT    NOT NULL,
    username_key         TEXT    NOT NULL CONSTRAINT users_username_unique UNIQUE,
    email                TEXT,
    email_key            TEXT    CONSTRAINT users_email_unique UNIQUE,
    email_verified       BOOLEAN NOT NULL,
    password_phc         TEXT,
    password_changed_at  BIGINT  NOT NULL,
    roles                TEXT    NOT NULL,
    claims               TEXT    NOT NULL,
    epoch                BIGINT  NOT NULL,
    disabled_at          BIGINT,
    created_at           BIGINT  NOT NULL,
    updated_at           BIGINT  NOT NULL
);

CREATE TABLE clients (
    client_id                   TEXT   NOT NULL CONSTRAINT clients_pk PRIMARY KEY,
    metadata                    TEXT   NOT NULL,
    secret_hash                 BYTEA,
    previous_secret_hash        BYTEA,
    previous_secret_expires_at  BIGINT,
    disabled_at                 BIGINT,
    created_at                  BIGINT NOT NULL,
    updated_at                  BIGINT NOT NULL
);

CREATE TABLE login_session (
    id            UUID    NOT NULL CONSTRAINT login_session_pk PRIMARY KEY,
    cookie_hash   BYTEA   NOT NULL CONSTRAINT login_session_cookie_unique UNIQUE,
    user_id       UUID    NOT NULL,
    epoch         BIGINT  NOT NULL,
    created_at    BIGINT  NOT NULL,
    auth_time     BIGINT  NOT NULL,
    last_seen_at  BIGINT  NOT NULL,
    idle_millis   BIGINT  NOT NULL,
    expires_at    BIGINT  NOT NULL,
    remember      BOOLEAN NOT NULL,
    amr           TEXT    NOT NULL,
    address       TEXT,
    user_agent    TEXT,
    ended_at      BIGINT,
    end_cause     TEXT
);
CREATE INDEX login_session_user ON login_session (user_id);

CREATE TABLE interaction (
    handle_hash       BYTEA  NOT NULL CONSTRAINT interaction_pk PRIMARY KEY,
    browser_hash      BYTEA  NOT NULL,
    client_id         TEXT   NOT NULL,
    request           TEXT   NOT NULL,
    session_id        UUID,
    created_at        BIGINT NOT NULL,
    expires_at        BIGINT NOT NULL
);
CREATE INDEX interaction_expiry ON interaction (expires_at);

CREATE TABLE authorization_code (
    code_hash       BYTEA   NOT NULL CONSTRAINT authorization_code_pk PRIMARY KEY,
    family_handle   UUID    NOT NULL,
    client_id       TEXT    NOT NULL,
    user_id         UUID    NOT NULL,
    session_id      UUID    NOT NULL,
    epoch           BIGINT  NOT NULL,
    redirect_uri    TEXT    NOT NULL,
    code_challenge  TEXT,
    nonce           TEXT,
    scope           TEXT    NOT NULL,
    audience        TEXT    NOT NULL,
    offline         BOOLEAN NOT NULL,
    auth_time       BIGINT  NOT NULL,
    amr             TEXT    NOT NULL,
    created_at      BIGINT  NOT NULL,
    expires_at      BIGINT  NOT NULL,
    redeemed_at     BIGINT
);
CREATE INDEX authorization_code_user ON authorization_code (user_id);
CREATE INDEX authorization_code_expiry ON authorization_code (expires_at);

-- One row per family, however often it is refreshed. No index mentions a column that a refresh changes, so that
-- PostgreSQL updates in place (HOT); the fill factor leaves room on the page for it.
CREATE TABLE refresh_family (
    id             BYTEA   NOT NULL CONSTRAINT refresh_family_pk PRIMARY KEY,
    handle         UUID    NOT NULL CONSTRAINT refresh_family_handle_unique UNIQUE,
    user_id        UUID    NOT NULL,
    client_id      TEXT    NOT NULL,
    session_id     UUID    NOT NULL,
    scope          TEXT    NOT NULL,
    audience       TEXT    NOT NULL,
    offline        BOOLEAN NOT NULL,
    class          TEXT    NOT NULL,
    base           BIGINT  NOT NULL,
    cur            BIGINT  NOT NULL,
    burst          BIGINT  NOT NULL,
    rotated_at     BIGINT  NOT NULL,
    min_generation BIGINT  NOT NULL,
    epoch          BIGINT  NOT NULL,
    status         TEXT    NOT NULL,
    status_cause   TEXT,
    ended_at       BIGINT,
    created_at     BIGINT  NOT NULL,
    expires_at     BIGINT  NOT NULL,
    idle_millis    BIGINT  NOT NULL,
    auth_time      BIGINT  NOT NULL,
    amr            TEXT    NOT NULL,
    binding        TEXT,
    address        TEXT,
    user_agent     TEXT,
    CONSTRAINT refresh_family_generations CHECK (base >= 0 AND base <= cur AND burst >= 0)
) WITH (fillfactor = 80);
CREATE INDEX refresh_family_user ON refresh_family (user_id);
CREATE INDEX refresh_family_session ON refresh_family (session_id);
CREATE INDEX refresh_family_client ON refresh_family (client_id);

CREATE TABLE revoked_token (
    jti         TEXT   NOT NULL CONSTRAINT revoked_token_pk PRIMARY KEY,
    expires_at  BIGINT NOT NULL
);
CREATE INDEX revoked_token_expiry ON revoked_token (expires_at);

CREATE TABLE consent (
    user_id     UUID   NOT NULL,
    client_id   TEXT   NOT NULL,
    scope       TEXT   NOT NULL,
    granted_at  BIGINT NOT NULL,
    CONSTRAINT consent_pk PRIMARY KEY (user_id, client_id)
);

-- Guess throttling: one row per bucket; allowed_at is the theoretical arrival time of the generic cell rate algorithm.
CREATE TABLE throttle (
    bucket      BYTEA  NOT NULL CONSTRAINT throttle_pk PRIMARY KEY,
    allowed_at  BIGINT NOT NULL
);
CREATE INDEX throttle_expiry ON throttle (allowed_at);

CREATE TABLE known_device (
    cookie_hash  BYTEA  NOT NULL,
    user_id      UUID   NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    CONSTRAINT known_device_pk PRIMARY KEY (cookie_hash, user_id)
);
CREATE INDEX known_device_expiry ON known_device (expires_at);

CREATE TABLE signing_key (
    kid           TEXT   NOT NULL CONSTRAINT signing_key_pk PRIMARY KEY,
    algorithm     TEXT   NOT NULL,
    sealed        BYTEA  NOT NULL,
    public_jwk    TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    activates_at  BIGINT NOT NULL,
    retires_at    BIGINT,
    removes_at    BIGINT
);

CREATE TABLE api_key (
    id          UUID   NOT NULL CONSTRAINT api_key_pk PRIMARY KEY,
    name        TEXT   NOT NULL,
    key_hash    BYTEA  NOT NULL CONSTRAINT api_key_hash_unique UNIQUE,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT
);

CREATE TABLE audit_event (
    id          UUID   NOT NULL CONSTRAINT audit_event_pk PRIMARY KEY,
    at          BIGINT NOT NULL,
    event       TEXT   NOT NULL,
    outcome     TEXT   NOT NULL,
    actor       TEXT   NOT NULL,
    user_id     UUID,
    client_id   TEXT,
    session_id  UUID,
    address     TEXT,
    user_agent  TEXT,
    cause       TEXT,
    trace_id    TEXT,
    details     TEXT
);
CREATE INDEX audit_event_user ON audit_event (user_id, id);
CREATE INDEX audit_event_at ON audit_event (at);
