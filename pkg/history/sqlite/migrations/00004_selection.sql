-- +goose Up
-- Deployments are listed by Application, without reading past the decisions: those are
-- the most of a record, and the largest.
CREATE INDEX entries_selection ON entries (application, kind, sequence) WHERE kind <> 'decision';

-- It holds the kind so that counting and skipping need not look at the entries themselves.
CREATE INDEX entries_operation ON entries (application, sequence, kind) WHERE kind IN ('outcome', 'observed');

CREATE INDEX entries_small ON entries (sequence) WHERE kind <> 'decision';

CREATE INDEX entries_named ON entries (json_extract(payload, '$.application'), sequence)
    WHERE kind IN ('intent', 'observed');
