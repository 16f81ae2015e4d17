-- +goose Up
-- The branch that the pull request was to be merged into when it was reviewed.
-- Empty for reviews that were witnessed before it was kept: they count as reviews
-- of an unknown branch until somebody looks it up.
ALTER TABLE reviews ADD COLUMN base TEXT NOT NULL DEFAULT '';
