-- +goose Up
-- Who pushed what to which branch. Of several pushes of one commit to one branch
-- the newest is kept. A deleted branch has forty zeros.
CREATE TABLE pushes (
    repository   INTEGER NOT NULL,
    branch       TEXT    NOT NULL,
    sha          TEXT    NOT NULL,
    before       TEXT    NOT NULL, -- empty when it took the place of several at one moment
    pushed       INTEGER NOT NULL, -- nanoseconds since 1970, UTC, by GitHub's clock
    pusher       INTEGER NOT NULL, -- 0 when two people pushed it at one moment
    pusher_login TEXT    NOT NULL,
    pusher_type  TEXT    NOT NULL,
    kept         INTEGER NOT NULL, -- nanoseconds since 1970, UTC, by our own clock
    PRIMARY KEY (repository, branch, sha)
) STRICT, WITHOUT ROWID;

CREATE INDEX pushes_kept ON pushes (kept);

-- Whose the addresses in a commit are, as GitHub said first. Nobody is not kept:
-- an address may get an account.
CREATE TABLE accounts (
    repository INTEGER NOT NULL,
    sha        TEXT    NOT NULL,
    role       TEXT    NOT NULL CHECK (role IN ('author', 'committer')),
    user       INTEGER NOT NULL,
    login      TEXT    NOT NULL,
    type       TEXT    NOT NULL,
    kept       INTEGER NOT NULL,
    PRIMARY KEY (repository, sha, role)
) STRICT, WITHOUT ROWID;

CREATE INDEX accounts_kept ON accounts (kept);

-- What GitHub's API said of something that cannot change any more.
CREATE TABLE facts (
    repository INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    value      BLOB    NOT NULL, -- opaque here, see pkg/github/collect
    kept       INTEGER NOT NULL,
    PRIMARY KEY (repository, kind, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX facts_kept ON facts (kept);

-- 1 when a person merged, and no merge queue.
ALTER TABLE merges ADD COLUMN by_person INTEGER NOT NULL DEFAULT 0;
