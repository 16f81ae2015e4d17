-- +goose Up
-- Names are resolved by the search path, which is the record's schema alone while migrations run. Functions keep
-- it, so that nobody can put another table before theirs.

-- Text is compared byte by byte: an upgrade of the machine's collations cannot damage an index.
CREATE TABLE entries (
    sequence    bigint NOT NULL CONSTRAINT entries_pkey PRIMARY KEY CHECK (sequence > 0),
    previous    text   COLLATE "C" NOT NULL,
    time        bigint NOT NULL, -- nanoseconds since 1970, UTC
    kind        text   COLLATE "C" NOT NULL,
    application text   COLLATE "C" NOT NULL, -- the Application's UID
    intent      text   COLLATE "C" NOT NULL, -- empty for a decision
    payload     bytea  NOT NULL, -- canonical JSON, byte for byte as it was sealed
    digest      text   COLLATE "C" NOT NULL
);

-- A string of the payload's top level. JSON's \u0000 has no place in PostgreSQL's text; what stands instead only
-- has to leave the JSON sound.
-- +goose StatementBegin
CREATE FUNCTION payload_text(payload bytea, key text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN pg_catalog.json_extract_path_text(
        pg_catalog.replace(pg_catalog.convert_from(payload, 'UTF8'), '\u0000', '\u0020')::pg_catalog.json, key);
END
$$;
-- +goose StatementEnd

-- Derived by PostgreSQL from the payload, so that they cannot say something else.
ALTER TABLE entries
    ADD COLUMN gate text COLLATE "C" GENERATED ALWAYS AS
        (CASE kind WHEN 'decision' THEN payload_text(payload, 'gate') END) STORED,
    ADD COLUMN result text COLLATE "C" GENERATED ALWAYS AS
        (CASE kind WHEN 'outcome' THEN payload_text(payload, 'result') END) STORED,
    ADD COLUMN named text COLLATE "C" GENERATED ALWAYS AS
        (CASE WHEN kind IN ('intent', 'observed') THEN payload_text(payload, 'application') END) STORED; -- namespace/name

-- An intent is recorded, settled and abandoned at most once each.
CREATE UNIQUE INDEX entries_intent ON entries (intent, kind) WHERE intent <> '';

CREATE INDEX entries_decision ON entries (application, gate, sequence) WHERE kind = 'decision';

CREATE INDEX entries_outcome ON entries (application, sequence) WHERE kind = 'outcome';

CREATE INDEX entries_deployed ON entries (application, sequence) WHERE kind = 'outcome' AND result = 'succeeded';

-- Deployments are listed by Application, without reading past the decisions: those are the most of a record.
CREATE INDEX entries_selection ON entries (application, kind, sequence) WHERE kind <> 'decision';

CREATE INDEX entries_operation ON entries (application, sequence, kind) WHERE kind IN ('outcome', 'observed');

CREATE INDEX entries_small ON entries (sequence) WHERE kind <> 'decision';

CREATE INDEX entries_named ON entries (named, sequence) WHERE kind IN ('intent', 'observed');

CREATE INDEX entries_act ON entries (sequence) WHERE kind = 'act';

CREATE TABLE open_intents (
    sequence    bigint NOT NULL PRIMARY KEY,
    intent      text   COLLATE "C" NOT NULL UNIQUE,
    application text   COLLATE "C" NOT NULL
);

CREATE INDEX open_intents_application ON open_intents (application, sequence);

-- +goose StatementBegin
CREATE FUNCTION entries_append() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    last_sequence bigint;
    last_digest   text;
BEGIN
    SELECT sequence, digest INTO last_sequence, last_digest FROM entries ORDER BY sequence DESC LIMIT 1;
    IF NEW.sequence <> coalesce(last_sequence, 0) + 1 OR NEW.previous <> coalesce(last_digest, '') THEN
        RAISE EXCEPTION 'the record is append-only' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION entries_keep() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'the record is append-only' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
-- +goose StatementEnd

-- With the rights of its owner: whoever appends needs none on the list of open intents.
-- +goose StatementBegin
CREATE FUNCTION entries_opened() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
BEGIN
    IF NEW.kind = 'intent' THEN
        INSERT INTO open_intents (sequence, intent, application) VALUES (NEW.sequence, NEW.intent, NEW.application);
    ELSE
        DELETE FROM open_intents WHERE intent = NEW.intent;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION entries_append(), entries_keep(), entries_opened() FROM PUBLIC;

CREATE TRIGGER entries_append BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION entries_append();

CREATE TRIGGER entries_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON entries FOR EACH STATEMENT EXECUTE FUNCTION entries_keep();

CREATE TRIGGER entries_opened AFTER INSERT ON entries FOR EACH ROW
    WHEN (NEW.kind IN ('intent', 'outcome', 'abandoned')) EXECUTE FUNCTION entries_opened();

-- What tells a record from another schema with tables of these names.
CREATE TABLE identity (
    one  boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    kind text    NOT NULL
);

INSERT INTO identity (kind) VALUES ('gatekeeper record');
