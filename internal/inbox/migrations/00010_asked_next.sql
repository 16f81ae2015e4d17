-- +goose Up
-- On which pull request something was asked for, and whether all of it was carried out,
-- so that only the answer is owed: what to do next is chosen by these.
ALTER TABLE asked ADD COLUMN repository INTEGER NOT NULL DEFAULT 0;
ALTER TABLE asked ADD COLUMN pull INTEGER NOT NULL DEFAULT 0;
ALTER TABLE asked ADD COLUMN answered INTEGER NOT NULL DEFAULT 0;

UPDATE asked SET
    repository = json_extract(CAST(asked AS TEXT), '$.repositoryID'),
    pull = json_extract(CAST(asked AS TEXT), '$.pull');

CREATE INDEX asked_next ON asked (repository, pull, received, id) WHERE state = 'pending' AND answered = 0;
