-- +goose Up
-- What is left of the payload of an archived entry is its hash in the Merkle tree, as a
-- JSON text. No other payload is one: they are all objects.
CREATE INDEX entries_archived ON entries (sequence) WHERE kind = 'archived';

DROP TRIGGER entries_update;

-- An entry that says what is archived comes first. Nothing but the payload goes.
-- +goose StatementBegin
CREATE TRIGGER entries_update BEFORE UPDATE ON entries
WHEN NOT (
    NEW.sequence IS OLD.sequence AND NEW.previous IS OLD.previous AND NEW.time IS OLD.time AND NEW.kind IS OLD.kind
    AND NEW.application IS OLD.application AND NEW.intent IS OLD.intent AND NEW.digest IS OLD.digest
    AND substr(OLD.payload, 1, 1) = '{' AND length(NEW.payload) = 73 AND NEW.payload GLOB '"sha256:*"'
    AND OLD.kind NOT IN ('act', 'archived')
    AND EXISTS (SELECT 1 FROM entries AS said WHERE said.kind = 'archived'
        AND json_extract(said.payload, '$.from') <= OLD.sequence AND json_extract(said.payload, '$.to') >= OLD.sequence)
)
BEGIN
    SELECT RAISE(ABORT, 'the record is append-only');
END;
-- +goose StatementEnd
