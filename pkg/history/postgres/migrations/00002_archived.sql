-- +goose Up
-- What is left of the payload of an archived entry is its hash in the Merkle tree, as a
-- JSON text. No other payload is one: they are all objects. Of a text the generated columns
-- are null.
CREATE INDEX entries_archived ON entries (sequence) WHERE kind = 'archived';

DROP TRIGGER entries_keep ON entries;

CREATE TRIGGER entries_keep BEFORE DELETE OR TRUNCATE ON entries FOR EACH STATEMENT EXECUTE FUNCTION entries_keep();

-- A statement that does not say that it archives changes nothing.
CREATE TRIGGER entries_still BEFORE UPDATE ON entries FOR EACH STATEMENT
    WHEN (coalesce(pg_catalog.current_setting('gatekeeper.archiving', true), '') <> 'on') EXECUTE FUNCTION entries_keep();

-- An entry that says what is archived comes first. Nothing but the payload goes.
-- +goose StatementBegin
CREATE FUNCTION entries_archive() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    IF (NEW.sequence, NEW.previous, NEW.time, NEW.kind, NEW.application, NEW.intent, NEW.digest)
        IS DISTINCT FROM (OLD.sequence, OLD.previous, OLD.time, OLD.kind, OLD.application, OLD.intent, OLD.digest)
        OR pg_catalog.substr(OLD.payload, 1, 1) <> '\x7b'::bytea -- an object
        OR NOT pg_catalog.encode(NEW.payload, 'escape') ~ '^"sha256:[0-9a-f]{64}"$'
        OR OLD.kind IN ('act', 'archived')
        OR NOT EXISTS (SELECT 1 FROM entries said WHERE said.kind = 'archived'
            AND payload_text(said.payload, 'from')::bigint <= OLD.sequence AND payload_text(said.payload, 'to')::bigint >= OLD.sequence)
    THEN
        RAISE EXCEPTION 'the record is append-only' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION entries_archive() FROM PUBLIC;

CREATE TRIGGER entries_archive BEFORE UPDATE ON entries FOR EACH ROW EXECUTE FUNCTION entries_archive();
