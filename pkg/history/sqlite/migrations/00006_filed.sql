-- +goose Up
-- The word of a payload by which an entry is found has a column of its own: to look for it in the
-- payload took most of what an index cost, at each append and whenever indexes are examined.
-- NULL where there is none: for other kinds, and for what was archived.
DROP TRIGGER entries_update;

DROP INDEX entries_decision;

DROP INDEX entries_deployed;

DROP INDEX entries_named;

-- The kinds are in entries_selection, which finds outcomes as well.
DROP INDEX entries_outcome;

ALTER TABLE entries ADD COLUMN filed TEXT;

UPDATE entries SET filed = json_extract(payload, CASE kind WHEN 'decision' THEN '$.gate' WHEN 'outcome' THEN '$.result' ELSE '$.application' END)
    WHERE kind IN ('decision', 'outcome', 'intent', 'observed') AND substr(payload, 1, 1) = '{';

CREATE INDEX entries_decision ON entries (application, filed, sequence) WHERE kind = 'decision';

CREATE INDEX entries_deployed ON entries (application, sequence) WHERE kind = 'outcome' AND filed = 'succeeded';

CREATE INDEX entries_named ON entries (filed, sequence) WHERE kind IN ('intent', 'observed');

-- An entry that says what is archived comes first. Nothing but the payload goes, with its word.
-- +goose StatementBegin
CREATE TRIGGER entries_update BEFORE UPDATE ON entries
WHEN NOT (
    NEW.sequence IS OLD.sequence AND NEW.previous IS OLD.previous AND NEW.time IS OLD.time AND NEW.kind IS OLD.kind
    AND NEW.application IS OLD.application AND NEW.intent IS OLD.intent AND NEW.digest IS OLD.digest AND NEW.filed IS NULL
    AND substr(OLD.payload, 1, 1) = '{' AND length(NEW.payload) = 73 AND NEW.payload GLOB '"sha256:*"'
    AND OLD.kind NOT IN ('act', 'archived')
    AND EXISTS (SELECT 1 FROM entries AS said WHERE said.kind = 'archived'
        AND json_extract(said.payload, '$.from') <= OLD.sequence AND json_extract(said.payload, '$.to') >= OLD.sequence)
)
BEGIN
    SELECT RAISE(ABORT, 'the record is append-only');
END;
-- +goose StatementEnd
