-- Times are milliseconds since 1970-01-01 UTC; lists and objects are JSON as text; secrets are SHA-256 hashes.

CREATE TABLE installation (
    id                INTEGER NOT NULL CONSTRAINT installation_pk PRIMARY KEY,
    created_at        INTEGER NOT NULL,
    master_key_check  TEXT   NOT NULL,
    key_version       INTEGER NOT NULL,
    client_version    INTEGER NOT NULL,
    CONSTRAINT installation_single CHECK (id = 1)
);

CREATE TABLE users (
    id                   BLOB    NOT NULL CONSTRAINT users_pk PRIMARY KEY,
    username             TEXT    NOT NULL,
    username_key         TEXT    NOT NULL CONSTRAINT users_username_unique UNIQUE,
    email                TEXT,
    email_key            TEXT    CONSTRAINT users_email_unique UNIQUE,
    email_verified       BOOLEAN NOT NULL,
    password_phc         TEXT,
    password_changed_at  INTEGER  NOT NULL,
    roles                TEXT    NOT NULL,
    claims               TEXT    NOT NULL,
    epoch                INTEGER  NOT NULL,
    disabled_at          INTEGER,
    created_at           INTEGER  NOT NULL,
    updated_at           INTEGER  NOT NULL
);

CREATE TABLE clients (
    client_id                   TEXT   NOT NULL CONSTRAINT clients_pk PRIMARY KEY,
    metadata                    TEXT   NOT NULL,
    secret_hash                 BLOB,
    previous_secret_hash        BLOB,
    previous_secret_expires_at  INTEGER,
    disabled_at                 INTEGER,
    created_at                  INTEGER NOT NULL,
    updated_at                  INTEGER NOT NULL
);

CREATE TABLE login_session (
    id            BLOB    NOT NULL CONSTRAINT login_session_pk PRIMARY KEY,
    cookie_hash   BLOB   NOT NULL CONSTRAINT login_session_cookie_unique UNIQUE,
    user_id       BLOB    NOT NULL,
    epoch         INTEGER  NOT NULL,
    created_at    INTEGER  NOT NULL,
    auth_time     INTEGER  NOT NULL,
    last_seen_at  INTEGER  NOT NULL,
    idle_millis   INTEGER  NOT NULL,
    expires_at    INTEGER  NOT NULL,
    remember      BOOLEAN NOT NULL,
    amr           TEXT    NOT NULL,
    address       TEXT,
    user_agent    TEXT,
    ended_at      INTEGER,
    end_cause     TEXT
);
CREATE INDEX login_session_user ON login_session (user_id);

CREATE TABLE interaction (
    handle_hash       BLOB  NOT NULL CONSTRAINT interaction_pk PRIMARY KEY,
    browser_hash      BLOB  NOT NULL,
    client_id         TEXT   NOT NULL,
    request           TEXT   NOT NULL,
    session_id        BLOB,
    created_at        INTEGER NOT NULL,
    expires_at        INTEGER NOT NULL
);
CREATE INDEX interaction_expiry ON interaction (expires_at);

CREATE TABLE authorization_code (
    code_hash       BLOB   NOT NULL CONSTRAINT authorization_code_pk PRIMARY KEY,
    family_handle   BLOB    NOT NULL,
    client_id       TEXT    NOT NULL,
    user_id         BLOB    NOT NULL,
    session_id      BLOB    NOT NULL,
    epoch           INTEGER  NOT NULL,
    redirect_uri    TEXT    NOT NULL,
    code_challenge  TEXT,
    nonce           TEXT,
    scope           TEXT    NOT NULL,
    audience        TEXT    NOT NULL,
    offline         BOOLEAN NOT NULL,
    auth_time       INTEGER  NOT NULL,
    amr             TEXT    NOT NULL,
    created_at      INTEGER  NOT NULL,
    expires_at      INTEGER  NOT NULL,
    redeemed_at     INTEGER
);
CREATE INDEX authorization_code_user ON authorization_code (user_id);
CREATE INDEX authorization_code_expiry ON authorization_code (expires_at);

-- One row per family, however often it is refreshed. No index mentions a column that a refresh changes, so that
-- a refresh writes one page and no index.
CREATE TABLE refresh_family (
    id             BLOB   NOT NULL CONSTRAINT refresh_family_pk PRIMARY KEY,
    handle         BLOB    NOT NULL CONSTRAINT refresh_family_handle_unique UNIQUE,
    user_id        BLOB    NOT NULL,
    client_id      TEXT    NOT NULL,
    session_id     BLOB    NOT NULL,
    scope          TEXT    NOT NULL,
    audience       TEXT    NOT NULL,
    offline        BOOLEAN NOT NULL,
    class          TEXT    NOT NULL,
    base           INTEGER  NOT NULL,
    cur            INTEGER  NOT NULL,
    burst          INTEGER  NOT NULL,
    rotated_at     INTEGER  NOT NULL,
    min_generation INTEGER  NOT NULL,
    epoch          INTEGER  NOT NULL,
    status         TEXT    NOT NULL,
    status_cause   TEXT,
    ended_at       INTEGER,
    created_at     INTEGER  NOT NULL,
    expires_at     INTEGER  NOT NULL,
    idle_millis    INTEGER  NOT NULL,
    auth_time      INTEGER  NOT NULL,
    amr            TEXT    NOT NULL,
    binding        TEXT,
    address        TEXT,
    user_agent     TEXT,
    CONSTRAINT refresh_family_generations CHECK (base >= 0 AND base <= cur AND burst >= 0)
);
CREATE INDEX refresh_family_user ON refresh_family (user_id);
CREATE INDEX refresh_family_session ON refresh_family (session_id);
CREATE INDEX refresh_family_client ON refresh_family (client_id);

CREATE TABLE revoked_token (
    jti         TEXT   NOT NULL CONSTRAINT revoked_token_pk PRIMARY KEY,
    expires_at  INTEGER NOT NULL
);
CREATE INDEX revoked_token_expiry ON revoked_token (expires_at);

CREATE TABLE consent (
    user_id     BLOB   NOT NULL,
    client_id   TEXT   NOT NULL,
    scope       TEXT   NOT NULL,
    granted_at  INTEGER NOT NULL,
    CONSTRAINT consent_pk PRIMARY KEY (user_id, client_id)
);

-- Guess throttling: one row per bucket; allowed_at is the theoretical arrival time of the generic cell rate algorithm.
CREATE TABLE throttle (
    bucket      BLOB  NOT NULL CONSTRAINT throttle_pk PRIMARY KEY,
    allowed_at  INTEGER NOT NULL
);
CREATE INDEX throttle_expiry ON throttle (allowed_at);

CREATE TABLE known_device (
    cookie_hash  BLOB  NOT NULL,
    user_id      BLOB   NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    CONSTRAINT known_device_pk PRIMARY KEY (cookie_hash, user_id)
);
CREATE INDEX known_device_expiry ON known_device (expires_at);

CREATE TABLE signing_key (
    kid           TEXT   NOT NULL CONSTRAINT signing_key_pk PRIMARY KEY,
    algorithm     TEXT   NOT NULL,
    sealed        BLOB  NOT NULL,
    public_jwk    TEXT   NOT NULL,
    created_at    INTEGER NOT NULL,
    activates_at  INTEGER NOT NULL,
    retires_at    INTEGER,
    removes_at    INTEGER
);

CREATE TABLE api_key (
    id          BLOB   NOT NULL CONSTRAINT api_key_pk PRIMARY KEY,
    name        TEXT   NOT NULL,
    key_hash    BLOB  NOT NULL CONSTRAINT api_key_hash_unique UNIQUE,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER
);

CREATE TABLE audit_event (
    id          BLOB   NOT NULL CONSTRAINT audit_event_pk PRIMARY KEY,
    at          INTEGER NOT NULL,
    event       TEXT   NOT NULL,
    outcome     TEXT   NOT NULL,
    actor       TEXT   NOT NULL,
    user_id     BLOB,
    client_id   TEXT,
    session_id  BLOB,
    address     TEXT,
    user_agent  TEXT,
    cause       TEXT,
    trace_id    TEXT,
    details     TEXT
);
CREATE INDEX audit_event_user ON audit_event (user_id, id);
CREATE INDEX audit_event_at ON audit_event (at);
