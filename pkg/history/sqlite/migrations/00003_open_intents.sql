-- +goose Up
-- The open intents of one Application are looked up for every sync that is asked for.
ALTER TABLE open_intents ADD COLUMN application TEXT NOT NULL DEFAULT '';

UPDATE open_intents SET application = (SELECT application FROM entries WHERE entries.sequence = open_intents.sequence);

CREATE INDEX open_intents_application ON open_intents (application, sequence);

DROP TRIGGER entries_opened;

-- +goose StatementBegin
CREATE TRIGGER entries_opened AFTER INSERT ON entries WHEN NEW.kind = 'intent'
BEGIN
    INSERT INTO open_intents (sequence, intent, application) VALUES (NEW.sequence, NEW.intent, NEW.application);
END;
-- +goose StatementEnd
