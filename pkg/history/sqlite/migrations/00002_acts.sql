-- +goose Up
-- What people ordered is looked up for every decision, and little of the record.
CREATE INDEX entries_act ON entries (sequence) WHERE kind = 'act';
