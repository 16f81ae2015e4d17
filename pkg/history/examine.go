package history

import "context"

// Examined is a Reader whose store finds entries by more than their numbers: by indexes, derived
// columns, definitions. The chain says nothing of those, and who changes them hides entries from
// every read but Entries.
type Examined interface {
	// Examine says in one line what is not as the store was made; the empty string says
	// nothing. It may read everything, and runs beside other reads.
	Examine(ctx context.Context) (string, error)
}

// examination is one of a store that runs beside the verification of its entries, which reads
// as much: together they take little longer than one of them.
type examination struct {
	cancel context.CancelFunc
	ended  chan struct{}
	found  string
	err    error
}

// examine begins to examine a store that finds entries by more than their numbers. Whoever
// calls it calls end.
func examine(ctx context.Context, r Reader) *examination {
	ctx, cancel := context.WithCancel(ctx)
	e := &examination{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(e.ended)
		if store, ok := r.(Examined); ok {
			e.found, e.err = store.Examine(ctx)
		}
	}()
	return e
}

// end returns when nothing is read any more, with or without a result.
func (e *examination) end() {
	e.cancel()
	<-e.ended
}

// examined waits for the examination of the store.
func (v *verifier) examined() (*Fault, error) {
	<-v.examination.ended
	if v.examination.err != nil || v.examination.found == "" {
		return nil, v.examination.err
	}
	return fault(max(v.at.Sequence, 1), FaultIndex,
		"the entries are intact, and the store would not find all of them, or not keep those to come: %s", v.examination.found), nil
}
