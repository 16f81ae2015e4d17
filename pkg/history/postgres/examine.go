package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Examine implements history.Examined: what the owner of the record could have changed so that
// queries do not find what is there. Indexes are PostgreSQL's own word; who may change those
// without their definition may change anything.
func (r *Reader) Examine(ctx context.Context) (string, error) {
	for _, look := range []func(context.Context) (string, error){r.relations, r.triggers, r.derived} {
		found, err := look(ctx)
		if err != nil {
			return "", fmt.Errorf("examine the record's schema: %w", err)
		}
		if found != "" {
			return found, nil
		}
	}
	return "", nil
}

// relations are tables, with no policy or rule that shows some rows to some queries.
func (t tables) relations(ctx context.Context) (string, error) {
	var name, found string
	var table, secured, ruled, inherited bool
	seen := 0
	err := t.each(ctx, func() error {
		seen++
		switch {
		case found != "":
		case !table:
			found = name + " is not a table"
		case secured:
			found = "the table " + name + " has row level security"
		case ruled:
			found = "the table " + name + " has rules"
		case inherited:
			found = "the table " + name + " has others that inherit from it"
		}
		return nil
	}, []any{&name, &table, &secured, &ruled, &inherited}, `SELECT c.relname::text, c.relkind = 'r', c.relrowsecurity, c.relhasrules,
			EXISTS (SELECT 1 FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid)
		FROM pg_catalog.pg_class c WHERE c.oid IN ('entries'::regclass, 'open_intents'::regclass) ORDER BY c.relname`)
	if err == nil && seen != 2 {
		err = errors.New("the tables are not both there")
	}
	return found, err
}

// triggers are those of the migrations, and work.
func (t tables) triggers(ctx context.Context) (string, error) {
	want := []string{"entries_append", "entries_archive", "entries_keep", "entries_opened", "entries_still"}
	var name string
	var enabled bool
	var there []string
	var found string
	err := t.each(ctx, func() error {
		switch {
		case !slices.Contains(want, name):
			found = "the trigger " + name + " is not one of Gatekeeper's"
		case !enabled:
			found = "the trigger " + name + " is switched off"
		}
		there = append(there, name)
		return nil
	}, []any{&name, &enabled}, `SELECT tgname::text, tgenabled IN ('O', 'A') FROM pg_catalog.pg_trigger
		WHERE tgrelid IN ('entries'::regclass, 'open_intents'::regclass) AND NOT tgisinternal ORDER BY tgname`)
	for _, name := range want {
		if found == "" && err == nil && !slices.Contains(there, name) {
			found = "the trigger " + name + " is gone"
		}
	}
	return found, err
}

// member is a member of a payload as the migration reads it, by functions of PostgreSQL alone.
func member(name string) string {
	return `pg_catalog.json_extract_path_text(pg_catalog.replace(pg_catalog.convert_from(payload, 'UTF8'), '\u0000', '\u0020')::pg_catalog.json, '` + name + `')`
}

// derived columns are what the payloads say.
func (t tables) derived(ctx context.Context) (string, error) {
	// Piece by piece, so that a large record does not take longer than one statement may.
	const piece = 10_000
	condition := strings.NewReplacer("GATE", member("gate"), "RESULT", member("result"), "NAMED", member("application")).Replace(
		`gate IS DISTINCT FROM (CASE kind WHEN 'decision' THEN GATE END)
			OR result IS DISTINCT FROM (CASE kind WHEN 'outcome' THEN RESULT END)
			OR named IS DISTINCT FROM (CASE WHEN kind IN ('intent', 'observed') THEN NAMED END)`)
	head, err := t.Head(ctx)
	if err != nil {
		return "", err
	}
	for from := uint64(0); from <= head.Sequence; from += piece {
		var wrong int64
		found := ""
		err := t.each(ctx, func() error {
			found = fmt.Sprintf("the columns that are made of the payload of entry %d are not what it says", wrong)
			return nil
		}, []any{&wrong}, "SELECT sequence FROM entries WHERE sequence >= $1 AND sequence < $2 AND ("+condition+") ORDER BY sequence LIMIT 1",
			int64(from), int64(from+piece))
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return "", err
		}
		if found != "" {
			return found, nil
		}
	}
	return "", nil
}
