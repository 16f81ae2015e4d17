package history

import "context"

// Examined is a Reader whose store finds entries by more than their numbers: by indexes, derived
// columns, definitions. The chain says nothing of those, and who changes them hides entries from
// every read but Entries.
type Examined interface {
	// Examine says in one line what is not as the store was made; the empty string says
	// nothing. It may read everything.
	Examine(ctx context.Context) (string, error)
}

// examine asks a store that finds entries by more than their numbers.
func (v *verifier) examine(ctx context.Context) (*Fault, error) {
	store, ok := v.reader.(Examined)
	if !ok {
		return nil, nil //nolint:nilnil // No fault and no error is the good case.
	}
	found, err := store.Examine(ctx)
	if err != nil || found == "" {
		return nil, err
	}
	return fault(max(v.at.Sequence, 1), FaultIndex,
		"the entries are intact, and the store would not find all of them, or not keep those to come: %s", found), nil
}
