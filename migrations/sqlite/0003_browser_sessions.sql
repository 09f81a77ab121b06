-- Browsers beyond the sign-in pages (docs/sessions.md).

-- Where the browser was at sign-in, in words, as a trusted proxy said it.
ALTER TABLE login_session ADD COLUMN place TEXT;

-- From where the cookie came last while the session waits for its password: what has been noted is not noted again.
ALTER TABLE login_session ADD COLUMN moved_to TEXT;

-- When it was noted last that a session, or a family in a browser's cookie, came from elsewhere.
ALTER TABLE login_session ADD COLUMN moved_at INTEGER;
ALTER TABLE refresh_family ADD COLUMN moved_at INTEGER;

-- A classic web application's own session in a browser, which a reverse proxy asks about (`/forward-auth`). It lives
-- as long as the login session and the family it hangs on.
CREATE TABLE web_session (
    cookie_hash    BLOB  NOT NULL CONSTRAINT web_session_pk PRIMARY KEY,
    family_handle  BLOB  NOT NULL,
    session_id     BLOB  NOT NULL,
    user_id        BLOB  NOT NULL,
    client_id      TEXT   NOT NULL,
    epoch          INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL
);
CREATE INDEX web_session_expiry ON web_session (expires_at);
CREATE INDEX web_session_session ON web_session (session_id);
