package history

import (
	"context"
	"errors"
	"time"
)

// Errors that mean that nothing was written.
var (
	// ErrConflict says that the head is not the expected one: somebody else
	// appended. Read the new entries, decide again, and try again.
	ErrConflict = errors.New("the record's head has moved")
	// ErrInvalid says that a draft is incomplete or contradicts the record. It
	// stays invalid however often it is tried.
	ErrInvalid = errors.New("the record does not take this entry")
)

// Reader reads a record. Implementations are safe for concurrent use. A read
// that begins after an Append returned sees its entries; one read sees either
// all entries of an Append or none. Entries come exactly as they are stored:
// whether they are as they were written is for Verify to say.
type Reader interface {
	// Head names the last entry; the zero Head says that there is none.
	Head(ctx context.Context) (Head, error)
	// Entries returns entries in order, from the given sequence number on: at
	// most limit, fewer when they are large, none only when there are none.
	Entries(ctx context.Context, from uint64, limit int) ([]Entry, error)
	// OpenIntents returns, in order, all intents with neither an outcome nor an
	// abandonment.
	OpenIntents(ctx context.Context) ([]Entry, error)
	// OpenIntentsOf returns those of OpenIntents that are about an Application, by its
	// UID.
	OpenIntentsOf(ctx context.Context, application string) ([]Entry, error)
	// Intent returns, in order, the intent with that ID and what became of it;
	// nothing when no such intent was recorded.
	Intent(ctx context.Context, id string) ([]Entry, error)
	// LatestDecision returns a gate's newest decision about an Application, by
	// its UID; false when there is none.
	LatestDecision(ctx context.Context, application, gate string) (Entry, bool, error)
	// Outcomes returns the newest outcomes for an Application, newest first: at
	// most limit.
	Outcomes(ctx context.Context, application string, limit int) ([]Entry, error)
	// LastDeployed returns an Application's newest outcome that succeeded, with
	// its intent; false when there is none.
	LastDeployed(ctx context.Context, application string) (IntentPayload, OutcomePayload, bool, error)
	// Deployments returns an Application's newest outcomes that succeeded, with
	// their intents, newest first: at most limit.
	Deployments(ctx context.Context, application string, limit int) ([]Deployment, error)
	// Acts returns, in order, everything that people ordered.
	Acts(ctx context.Context) ([]Entry, error)
	// ActsAfter returns those of Acts with a greater sequence number.
	ActsAfter(ctx context.Context, sequence uint64) ([]Entry, error)
	// Select returns the entries of a selection in its order: at most limit, fewer when
	// they are large, none only when there are none. What it takes does not grow with the
	// number of decisions on record, nor with what is not skipped and after the limit.
	Select(ctx context.Context, s Selection, limit int) ([]Entry, error)
	// Count counts the entries of a selection, whatever it skips.
	Count(ctx context.Context, s Selection) (int, error)
}

// Deployment is a sync that succeeded.
type Deployment struct {
	Intent  IntentPayload
	Outcome OutcomePayload
	// Sequence is that of the outcome's entry.
	Sequence uint64
	// Recorded is when the outcome was written, by the clock of the process that did.
	Recorded time.Time
}

// Record is a Reader that can be appended to.
type Record interface {
	Reader

	// Append writes the drafts in their order after the expected head and
	// returns the new head.
	//
	//   - Atomic: all drafts are written, or none.
	//   - Durable: once it returns without an error, the entries survive the
	//     end of the process and of the machine.
	//   - Ordered: if the head is not the expected one, it fails with
	//     ErrConflict. Of several calls with one expected head, in this process
	//     or in another, at most one succeeds.
	//   - Consistent: it fails with ErrInvalid for drafts that Seal or
	//     CheckReferences refuse.
	//   - Concurrent: safe for concurrent use.
	//
	// Any other error, a cancelled context included, leaves it open whether the
	// drafts were written; Persisted tells.
	Append(ctx context.Context, expect Head, drafts ...Draft) (Head, error)
}
