-- +goose Up
-- What people asked for by comments and buttons, and how far it was carried out. A
-- comment is in once however often it is delivered.
CREATE TABLE asked (
    id       TEXT    NOT NULL PRIMARY KEY,
    received INTEGER NOT NULL, -- nanoseconds since 1970, UTC, by our own clock
    state    TEXT    NOT NULL CHECK (state IN ('pending', 'done')),
    asked    BLOB    NOT NULL, -- JSON, see approval.Asked
    progress BLOB    NOT NULL  -- opaque here, see internal/commands
) STRICT;

CREATE INDEX asked_pending ON asked (received, id) WHERE state = 'pending';

-- Approvals that were given by a comment, with the head that they are of.
CREATE TABLE comment_approvals (
    comment    INTEGER NOT NULL PRIMARY KEY,
    repository INTEGER NOT NULL,
    pull       INTEGER NOT NULL,
    person     INTEGER NOT NULL,
    login      TEXT    NOT NULL,
    type       TEXT    NOT NULL,
    sha        TEXT    NOT NULL,
    base       TEXT    NOT NULL,
    written    INTEGER NOT NULL, -- nanoseconds since 1970, UTC, by GitHub's clock
    body       TEXT    NOT NULL, -- the digest of what it said
    withdrawn  INTEGER NOT NULL DEFAULT 0 -- nanoseconds since 1970, UTC; 0 for never
) STRICT;

CREATE INDEX comment_approvals_pull ON comment_approvals (repository, pull);
