-- +goose Up
CREATE TABLE written (
    repository TEXT    NOT NULL, -- owner/name in lower case
    pull       INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    id         INTEGER NOT NULL,
    digest     TEXT    NOT NULL,
    PRIMARY KEY (repository, pull, name)
) STRICT, WITHOUT ROWID;
