package export

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

// A file may have one line before its entries. With archivesLine some entries are stubs;
// with beforeLine the entries begin in the middle of the record.
const (
	archivesPrefix = `{"archives":`
	beforePrefix   = `{"before":`
)

// archivesLine lists what the record says is archived: the entries that say so come after
// those that they are about.
type archivesLine struct {
	Archives []archivedRange `json:"archives"`
}

type archivedRange struct {
	From  uint64         `json:"from"`
	Kept  []uint64       `json:"kept"`
	Stubs history.Digest `json:"stubs"`
	To    uint64         `json:"to"`
}

// beforeLine is the tree of the entries before the first one.
type beforeLine struct {
	Before edge `json:"before"`
}

type edge struct {
	Edge []tlog.Hash `json:"edge"`
	Size int64       `json:"size"`
}

// opening is what the first line says.
type opening struct {
	claims []history.ArchivedPayload
	tree   *merkle.Tree
}

// canonicalAs reads a line that is the canonical text of its value.
func canonicalAs[T any](text []byte) (parsed T, err error) {
	if err := json.Unmarshal(text, &parsed); err != nil {
		return parsed, fmt.Errorf("the first line: %w", err)
	}
	canonical, err := history.Canonical(parsed)
	if err != nil {
		return parsed, fmt.Errorf("the first line: %w", err)
	}
	if !bytes.Equal(canonical, text) {
		return parsed, errors.New("the first line is not how it is written")
	}
	return parsed, nil
}

// parseOpening reads a first line that is no entry.
func parseOpening(text []byte) (opening, error) {
	if bytes.HasPrefix(text, []byte(beforePrefix)) {
		parsed, err := canonicalAs[beforeLine](text)
		if err != nil {
			return opening{}, err
		}
		tree, err := merkle.NewTree(parsed.Before.Size, parsed.Before.Edge)
		if err == nil && tree.Size() == 0 {
			err = errors.New("it says that nothing comes before")
		}
		if err != nil {
			return opening{}, fmt.Errorf("the first line: %w", err)
		}
		return opening{tree: &tree}, nil
	}
	parsed, err := canonicalAs[archivesLine](text)
	if err != nil {
		return opening{}, err
	}
	var o opening
	next := uint64(1)
	for _, r := range parsed.Archives {
		if r.From != next || r.To < r.From {
			return opening{}, fmt.Errorf("the first line: the entries %d to %d do not come next", r.From, r.To)
		}
		next = r.To + 1
		o.claims = append(o.claims, history.ArchivedPayload{From: r.From, To: r.To, Stubs: r.Stubs, Kept: r.Kept})
	}
	if len(o.claims) == 0 {
		return opening{}, errors.New("the first line says that nothing is archived")
	}
	return o, nil
}

// stubbed lists the archives of a record some entries of which are stubs; none when all
// are whole, as they are when the archives are at hand.
func stubbed(ctx context.Context, entries merkle.Entries, upTo uint64) ([]archivedRange, error) {
	record, ok := entries.(history.Reader)
	if !ok {
		return nil, nil // its stubs, if there are any, will be found out by whoever verifies it
	}
	archives, err := history.Archives(ctx, record)
	if err != nil {
		return nil, err
	}
	var ranges []archivedRange
	some := false
	for _, a := range archives {
		if a.Sequence > upTo {
			return nil, fmt.Errorf("the checkpoint is of %d entries, and entries were archived since; sign one of now", upTo)
		}
		for n := a.From; n <= a.To; n++ {
			if a.Keeps(n) {
				continue
			}
			found, err := entries.Entries(ctx, n, 1)
			if err != nil {
				return nil, fmt.Errorf("read entry %d: %w", n, err)
			}
			some = some || len(found) > 0 && found[0].Archived()
			break
		}
		ranges = append(ranges, archivedRange{From: a.From, Kept: append([]uint64{}, a.Kept...), Stubs: a.Stubs, To: a.To})
	}
	if !some {
		return nil, nil
	}
	return ranges, nil
}
