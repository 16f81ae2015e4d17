package history

import "context"

// Filed is a Reader whose store keeps, beside each entry, the word that it finds the entry by.
// The chain says nothing of that word, so Verify compares it with the payload.
type Filed interface {
	// EntriesFiled is Entries, and returns of each entry what the store has for its
	// FiledUnder; no words at all when it keeps none.
	EntriesFiled(ctx context.Context, from uint64, limit int) (entries []Entry, under []string, err error)
}

// FiledUnder is the word of an entry's payload that stores find it by: the gate of a decision,
// the result of an outcome, and the Application, as "namespace/name", of an intent and of a sync
// that was seen. It is empty for other kinds, for what was archived, and for what has no such
// word.
func FiledUnder(e Entry) string {
	if filedBy(e.Kind) == "" || e.Archived() {
		return ""
	}
	var c checker
	if !c.isCanonical(e.Payload) {
		return ""
	}
	return c.word(filedBy(e.Kind))
}

// filedBy is the member of a payload that entries of that kind are found by.
func filedBy(k Kind) string {
	switch k {
	case KindDecision:
		return "gate"
	case KindOutcome:
		return "result"
	case KindIntent, KindObserved:
		return "application"
	case KindAbandoned, KindAct, KindDenied, KindHealth, KindArchived, KindPolicy:
	}
	return ""
}

// misfiled says what is wrong with the word that the store has for an entry, which is canonical
// and was the last that v.canonical looked at unless it is archived.
func (v *verifier) misfiled(e Entry, under string) *Fault {
	want := ""
	if by := filedBy(e.Kind); by != "" && !e.Archived() {
		want = v.canonical.word(by)
	}
	if under == want {
		return nil
	}
	return fault(e.Sequence, FaultIndex,
		"the entries are intact, and the store would not find entry %d, which it has filed under %q and not under %q", e.Sequence, under, want)
}
