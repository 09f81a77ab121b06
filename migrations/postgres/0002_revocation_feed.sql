-- The revocation feed (docs/revocation-feed.md §6).

-- What committed transactions have revoked and no batch names yet. `min` and the whole seconds of `dies_at` are those of
-- the entry. The id is no order: it was drawn before the commit.
CREATE TABLE revocation_outbox (
    id          BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY CONSTRAINT revocation_outbox_pk PRIMARY KEY,
    kind        TEXT   NOT NULL,
    subject     TEXT   NOT NULL,
    min         BIGINT,
    dies_at     BIGINT NOT NULL,
    created_at  BIGINT NOT NULL
);

-- One row: the newest batch. Who holds its lock makes the next.
CREATE TABLE revocation_head (
    id      BIGINT NOT NULL CONSTRAINT revocation_head_pk PRIMARY KEY,
    n       BIGINT NOT NULL,
    digest  TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    CONSTRAINT revocation_head_single CHECK (id = 1)
);
-- The digest of batch 0, which does not exist, is that of the empty string.
INSERT INTO revocation_head (id, n, digest, at) VALUES (1, 0, '47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU', 0);

CREATE TABLE revocation_batch (
    n           BIGINT NOT NULL CONSTRAINT revocation_batch_pk PRIMARY KEY,
    body        TEXT   NOT NULL,
    digest      TEXT   NOT NULL,
    created_at  BIGINT NOT NULL
);

-- Access tokens issued before are void: those of a client that was disabled, and all of them once a database was
-- restored. Whole seconds, as `iat` is.
ALTER TABLE clients ADD COLUMN tokens_not_before BIGINT NOT NULL DEFAULT 0;
ALTER TABLE installation ADD COLUMN tokens_not_before BIGINT NOT NULL DEFAULT 0;
