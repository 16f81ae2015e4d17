-- +goose Up
CREATE TABLE entries (
    sequence    INTEGER PRIMARY KEY CHECK (sequence > 0),
    previous    TEXT    NOT NULL,
    time        INTEGER NOT NULL, -- nanoseconds since 1970, UTC
    kind        TEXT    NOT NULL,
    application TEXT    NOT NULL, -- the Application's UID
    intent      TEXT    NOT NULL, -- empty for a decision
    payload     TEXT    NOT NULL, -- canonical JSON
    digest      TEXT    NOT NULL
) STRICT;

-- An intent is recorded, settled and abandoned at most once each.
CREATE UNIQUE INDEX entries_intent ON entries (intent, kind) WHERE intent <> '';

CREATE INDEX entries_decision ON entries (application, json_extract(payload, '$.gate'), sequence)
    WHERE kind = 'decision';

CREATE INDEX entries_outcome ON entries (application, sequence) WHERE kind = 'outcome';

CREATE INDEX entries_deployed ON entries (application, sequence)
    WHERE kind = 'outcome' AND json_extract(payload, '$.result') = 'succeeded';

CREATE TABLE open_intents (
    sequence INTEGER PRIMARY KEY,
    intent   TEXT NOT NULL UNIQUE
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER entries_append BEFORE INSERT ON entries
WHEN NEW.sequence <> (SELECT coalesce(max(sequence), 0) + 1 FROM entries)
BEGIN
    SELECT RAISE(ABORT, 'the record is append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER entries_update BEFORE UPDATE ON entries
BEGIN
    SELECT RAISE(ABORT, 'the record is append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER entries_delete BEFORE DELETE ON entries
BEGIN
    SELECT RAISE(ABORT, 'the record is append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER entries_opened AFTER INSERT ON entries WHEN NEW.kind = 'intent'
BEGIN
    INSERT INTO open_intents (sequence, intent) VALUES (NEW.sequence, NEW.intent);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER entries_settled AFTER INSERT ON entries WHEN NEW.kind IN ('outcome', 'abandoned')
BEGIN
    DELETE FROM open_intents WHERE intent = NEW.intent;
END;
-- +goose StatementEnd
