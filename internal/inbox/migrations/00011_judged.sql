-- +goose Up
-- What an open pull request was judged on, so that after a restart it is known whether
-- what is said of it may be outdated.
CREATE TABLE judged (
    repository TEXT    NOT NULL, -- owner/name in lower case
    pull       INTEGER NOT NULL,
    policy     TEXT    NOT NULL,
    news       INTEGER NOT NULL,
    basis      TEXT    NOT NULL,
    concerned  INTEGER NOT NULL,
    PRIMARY KEY (repository, pull)
) STRICT, WITHOUT ROWID;

-- The newest event that may change what is said of open pull requests: of those into a
-- branch, of a repository where the branch is empty, and of all where both are.
CREATE TABLE news (
    repository TEXT    NOT NULL,
    branch     TEXT    NOT NULL,
    number     INTEGER NOT NULL,
    PRIMARY KEY (repository, branch)
) STRICT, WITHOUT ROWID;
