-- OpenID Connect for every relying party (docs/conformance.md).

-- The `sub` by which a client knows the user, where that is not the user's id (OpenID Connect Core §8.1), and the
-- `claims` parameter as it was granted (OpenID Connect Core §5.5).
ALTER TABLE authorization_code ADD COLUMN subject TEXT;
ALTER TABLE authorization_code ADD COLUMN claims_request TEXT;
ALTER TABLE refresh_family ADD COLUMN subject TEXT;
ALTER TABLE refresh_family ADD COLUMN claims_request TEXT;

-- How a client came to be registered: 'operator', 'dynamic' (RFC 7591) or 'document' (Client ID Metadata Document).
ALTER TABLE clients ADD COLUMN registered TEXT NOT NULL DEFAULT 'operator';
-- The access token of its configuration endpoint (RFC 7592 §3).
ALTER TABLE clients ADD COLUMN registration_token_hash BLOB;
-- A secret that is the key of a MAC cannot be kept as a hash: sealed with the master key (client_secret_jwt).
ALTER TABLE clients ADD COLUMN sealed_secret BLOB;
-- When a client that nobody registered by hand was first seen to own a family; those that never do expire.
ALTER TABLE clients ADD COLUMN used_at INTEGER;
-- Until when a fetched metadata document is taken for current.
ALTER TABLE clients ADD COLUMN fetched_until INTEGER;

-- What statements ask of the metadata stands beside it: nobody but the program reads what clients have written.
ALTER TABLE clients ADD COLUMN backchannel_logout BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE clients ADD COLUMN audience TEXT NOT NULL DEFAULT '[]';
UPDATE clients SET
    backchannel_logout = json_extract(metadata, '$.backchannel_logout_uri') IS NOT NULL,
    audience = CASE WHEN json_type(metadata, '$.audience') = 'array' THEN json_extract(metadata, '$.audience') ELSE '[]' END
WHERE json_valid(metadata);

CREATE TABLE initial_access_token (
    id          BLOB    NOT NULL CONSTRAINT initial_access_token_pk PRIMARY KEY,
    name        TEXT    NOT NULL,
    token_hash  BLOB   NOT NULL CONSTRAINT initial_access_token_hash_unique UNIQUE,
    uses_left   INTEGER  NOT NULL,
    created_at  INTEGER  NOT NULL,
    expires_at  INTEGER  NOT NULL
);

-- The `jti` of client assertions, each good for one use (RFC 7523 §3).
CREATE TABLE used_assertion (
    id_hash     BLOB   NOT NULL CONSTRAINT used_assertion_pk PRIMARY KEY,
    expires_at  INTEGER  NOT NULL
);
CREATE INDEX used_assertion_expiry ON used_assertion (expires_at);

-- Which clients a login session has signed a user in at: whom to tell when it ends.
CREATE TABLE session_client (
    session_id  BLOB    NOT NULL,
    client_id   TEXT    NOT NULL,
    subject     TEXT,
    created_at  INTEGER  NOT NULL,
    CONSTRAINT session_client_pk PRIMARY KEY (session_id, client_id)
);

-- Who is to be told that a session has ended (OpenID Connect Back-Channel Logout §2.5). `next_at` is empty once nothing
-- is left to do.
CREATE TABLE logout_notice (
    id            BLOB    NOT NULL CONSTRAINT logout_notice_pk PRIMARY KEY,
    client_id     TEXT    NOT NULL,
    session_id    BLOB    NOT NULL,
    user_id       BLOB    NOT NULL,
    subject       TEXT,
    created_at    INTEGER  NOT NULL,
    attempts      INTEGER  NOT NULL,
    next_at       INTEGER,
    delivered_at  INTEGER,
    result        TEXT,
    CONSTRAINT logout_notice_once UNIQUE (session_id, client_id)
);
CREATE INDEX logout_notice_due ON logout_notice (next_at);
CREATE INDEX logout_notice_age ON logout_notice (created_at);
CREATE INDEX logout_notice_user ON logout_notice (user_id);

-- Resource servers by their audience (RFC 8707). What clients were registered for before becomes one with the defaults.
CREATE TABLE api (
    audience    TEXT    NOT NULL CONSTRAINT api_pk PRIMARY KEY,
    metadata    TEXT    NOT NULL,
    created_at  INTEGER  NOT NULL,
    updated_at  INTEGER  NOT NULL
);
INSERT INTO api (audience, metadata, created_at, updated_at)
SELECT a.value, '{}', MIN(c.created_at), MIN(c.created_at)
FROM clients c, json_each(c.audience) a
GROUP BY a.value;
