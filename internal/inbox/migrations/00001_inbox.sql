-- +goose Up
CREATE TABLE deliveries (
    guid     TEXT    PRIMARY KEY,
    event    TEXT    NOT NULL,
    received INTEGER NOT NULL, -- nanoseconds since 1970, UTC
    state    TEXT    NOT NULL CHECK (state IN ('pending', 'done', 'parked')),
    attempts INTEGER NOT NULL DEFAULT 0,
    reason   TEXT    NOT NULL DEFAULT '',
    body     BLOB    NOT NULL  -- empty once it was processed
) STRICT;

CREATE INDEX deliveries_state ON deliveries (state, received, guid);

CREATE TABLE reviews (
    repository INTEGER NOT NULL,
    review     INTEGER NOT NULL,
    sha        TEXT    NOT NULL,
    PRIMARY KEY (repository, review)
) STRICT, WITHOUT ROWID;

CREATE TABLE heads (
    repository   INTEGER NOT NULL,
    pull         INTEGER NOT NULL,
    sha          TEXT    NOT NULL,
    pushed       INTEGER NOT NULL, -- nanoseconds since 1970, UTC, by GitHub's clock
    pusher       INTEGER NOT NULL, -- 0 when two people pushed it at one moment
    pusher_login TEXT    NOT NULL,
    pusher_type  TEXT    NOT NULL,
    PRIMARY KEY (repository, pull, sha)
) STRICT, WITHOUT ROWID;

CREATE TABLE merges (
    repository INTEGER NOT NULL,
    sha        TEXT    NOT NULL,
    pull       INTEGER NOT NULL,
    PRIMARY KEY (repository, sha)
) STRICT, WITHOUT ROWID;
