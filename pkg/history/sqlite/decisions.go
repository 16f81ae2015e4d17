package sqlite

import (
	"context"

	"k8s.io/utils/lru"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// maxDecisions is how many decisions are known without the file, each of which takes about a kilobyte:
// more than there are Applications in the largest installation that this is measured for (10,000).
const maxDecisions = 16_384

// decisions is what those say that were recorded or named last. Every sync that is let through names
// one of them; to read it again took as long as to insert the intent, and longer where the kernel has
// taken the file's pages back. It is safe for concurrent use.
type decisions struct{ known *lru.Cache }

func newDecisions() decisions { return decisions{lru.New(maxDecisions)} }

// appended takes what is on disk now, before the next append begins. What cannot be read here is read
// by whoever wants it, who then tells why.
func (d decisions) appended(entries []history.Entry) {
	for _, e := range entries {
		if said, ok, err := history.DecidedBy(e); ok && err == nil {
			d.known.Add(e.Sequence, said)
		}
	}
}

// forget is for when entries may have changed: their payloads are archived.
func (d decisions) forget() { d.known.Clear() }

// inside is a record inside a transaction that appends to it.
type inside struct {
	tables
	decisions decisions
}

// Decided implements history.Lookup.
func (i inside) Decided(ctx context.Context, sequence uint64) (history.Decided, bool, error) {
	if said, ok := i.decisions.known.Get(sequence); ok {
		return said.(history.Decided), true, nil //nolint:forcetypeassert // Nothing else is in it.
	}
	said, ok, err := i.tables.Decided(ctx, sequence)
	if ok && err == nil {
		i.decisions.known.Add(sequence, said)
	}
	return said, ok, err
}
