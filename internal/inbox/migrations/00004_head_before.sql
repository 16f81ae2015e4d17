-- +goose Up
-- The head whose place a head took. Empty when it is not known: for heads that
-- were witnessed before it was kept, and when one head took the place of two
-- others at one moment.
ALTER TABLE heads ADD COLUMN before TEXT NOT NULL DEFAULT '';
