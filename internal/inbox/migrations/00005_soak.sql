-- +goose Up
CREATE TABLE soaks (
    application TEXT NOT NULL PRIMARY KEY, -- namespace/name
    memory      BLOB NOT NULL              -- opaque here, see pkg/argo/soak
) STRICT, WITHOUT ROWID;
