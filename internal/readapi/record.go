package readapi

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// maxBytes is after how much payload a page ends early.
const maxBytes = 8 << 20

// maxLooked is how many entries are looked at for one page: with a filter that little
// fits, the page is short, and next leads on.
const maxLooked = 5000

func (a *api) head(c *gin.Context) (any, error) {
	head, err := a.Record.Head(c.Request.Context())
	if err != nil {
		return nil, fmt.Errorf("read the head: %w", err)
	}
	return head, nil
}

// entryPage is a page of the record.
type entryPage struct {
	Items []history.Entry `json:"items"`
	// Next is the from argument for what follows; absent at the end.
	Next uint64 `json:"next,omitempty"`
}

func (a *api) entries(c *gin.Context) (any, error) {
	limit, p := limitOf(c)
	if p != nil {
		return nil, p
	}
	from := uint64(1)
	if text, set := c.GetQuery("from"); set {
		var err error
		if from, err = strconv.ParseUint(text, 10, 63); err != nil || from == 0 {
			return nil, badRequest("from is the number of an entry, from 1 on")
		}
	}
	kind, application := history.Kind(c.Query("kind")), c.Query("application")
	if kind != "" && !slices.Contains(kinds(), kind) {
		return nil, badRequest(fmt.Sprintf("%.40q is no kind of entry", kind))
	}
	out := entryPage{Items: []history.Entry{}}
	for looked, size := 0, 0; ; {
		entries, err := a.entriesFrom(c, from, kind, application, min(limit+1, maxLooked-looked))
		if err != nil {
			return nil, fmt.Errorf("read entries: %w", err)
		}
		for _, entry := range entries {
			if len(out.Items) == limit || size > maxBytes {
				out.Next = entry.Sequence
				return out, nil
			}
			if (kind == "" || entry.Kind == kind) && (application == "" || entry.Application == application) {
				out.Items = append(out.Items, entry)
				size += len(entry.Payload)
			}
			from = entry.Sequence + 1
		}
		if looked += len(entries); len(entries) == 0 {
			return out, nil
		}
		if looked >= maxLooked {
			out.Next = from
			return out, nil
		}
	}
}

// entriesFrom reads entries of which some may not be wanted. Decisions are not indexed, as
// they are by far the most.
func (a *api) entriesFrom(c *gin.Context, from uint64, kind history.Kind, application string, limit int) ([]history.Entry, error) {
	if kind == "" || kind == history.KindDecision {
		return a.Record.Entries(c.Request.Context(), from, limit)
	}
	return a.Record.Select(c.Request.Context(), history.Selection{Kinds: []history.Kind{kind}, Application: application, From: from}, limit)
}

// kinds are those that a reader can ask for.
func kinds() []history.Kind {
	return []history.Kind{
		history.KindDecision, history.KindIntent, history.KindOutcome, history.KindAbandoned, history.KindAct, history.KindDenied,
		history.KindObserved, history.KindHealth, history.KindPolicy, history.KindArchived,
	}
}

func (a *api) entry(c *gin.Context) (any, error) {
	sequence, err := strconv.ParseUint(c.Param("sequence"), 10, 63)
	if err != nil || sequence == 0 {
		return nil, badRequest("an entry is named by its number, from 1 on")
	}
	found, err := a.Record.Entries(c.Request.Context(), sequence, 1)
	if err != nil {
		return nil, fmt.Errorf("read entry %d: %w", sequence, err)
	}
	if len(found) == 0 || found[0].Sequence != sequence {
		return nil, notFound("the record has no entry " + strconv.FormatUint(sequence, 10))
	}
	return found[0], nil
}
