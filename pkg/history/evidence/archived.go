package evidence

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// archived is what a report lacks.
type archived struct {
	archive history.Archive
	entries int
	// operations are those among them that ended a sync.
	operations  int
	first, last uint64
}

// listed reads what the record says is archived.
func (g *gathering) listed(ctx context.Context) (err error) {
	g.archives, err = history.Archives(ctx, g.record)
	g.archived = map[uint64]*archived{}
	return err
}

// lacks counts an entry of the time that is archived and not at hand.
func (g *gathering) lacks(e history.Entry) {
	at := slices.IndexFunc(g.archives, func(a history.Archive) bool { return a.Covers(e.Sequence) })
	if at < 0 {
		return // the record was verified, so there is none like that
	}
	a := g.archives[at]
	found := g.archived[a.Sequence]
	if found == nil {
		found = &archived{archive: a, first: e.Sequence}
		g.archived[a.Sequence] = found
	}
	found.entries++
	found.last = e.Sequence
	if slices.Contains(history.Deployed(), e.Kind) {
		found.operations++
	}
}

// limits tells what the report lacks. Of what gate it was is archived with it, so it is told
// in the reports of all gates.
func (g *gathering) limits() {
	for _, sequence := range slices.Sorted(maps.Keys(g.archived)) {
		a := g.archived[sequence]
		g.except(Exception{
			Kind: ExceptionArchived, At: a.archive.At, Who: a.archive.Person.Name, Reason: a.archive.Reason, Proof: Proof{Entry: sequence, Digest: a.archive.Digest},
			Text: fmt.Sprintf("THIS REPORT IS NOT COMPLETE: %d entries of the time, among %d and %d, %d of them syncs of this gate or of others, are archived and were not read; "+
				"make it with --archive and the file %s", a.entries, a.first, a.last, a.operations, a.archive.File),
		})
	}
}
