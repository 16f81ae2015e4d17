package export

import "github.com/argo-gatekeeper/gatekeeper/pkg/history"

// moved says what is wrong when an entry that is intact in itself stands at another's
// place.
func (v *verifier) moved(e history.Entry) (*history.Fault, error) {
	n := v.at.Sequence + 1
	if e.Sequence < n {
		if e.Sequence > 0 && n-e.Sequence < window && v.recent[e.Sequence%window] != e.Digest {
			v.at = history.Head{Sequence: e.Sequence - 1, Digest: v.recent[(e.Sequence-1)%window]}
			return fault(e.Sequence, history.FaultInserted, "there are two entries %d", e.Sequence), nil
		}
		return fault(n, history.FaultInserted, "a copy of entry %d stands at place %d", e.Sequence, n), nil
	}
	found, again := false, false
	err := v.rest(func(other history.Entry) {
		again = again || other.Digest == e.Digest
		found = found || other.Sequence == n && other.Previous == v.at.Digest
	})
	switch {
	case err != nil:
		return nil, err
	case again:
		return fault(n, history.FaultInserted, "a copy of entry %d stands at place %d", e.Sequence, n), nil
	case found:
		return fault(n, history.FaultReordered, "entry %d stands at place %d, before entry %d", e.Sequence, n, n), nil
	}
	return fault(n, history.FaultDropped, "entry %d is missing; the next one is entry %d", n, e.Sequence), nil
}

// unsealed says what is wrong with an entry that does not fit its digest. If it fits at
// another place, it is not the entry that was changed.
func (v *verifier) unsealed(e history.Entry) (*history.Fault, error) {
	n := v.at.Sequence + 1
	home, found := v.home(e, n)
	switch {
	case !found:
		l, more, err := v.next()
		if err != nil {
			return nil, err
		}
		if more && l.sealed() && l.entry.Sequence == n && l.entry.Previous == v.at.Digest {
			return fault(n, history.FaultInserted, "an entry that does not fit its digest was put before entry %d", n), nil
		}
		return fault(n, history.FaultChanged, "entry %d does not fit its digest", n), nil
	case home == n:
		return fault(n, history.FaultChanged, "entry %d has the number %d", n, e.Sequence), nil
	case home < n && v.recent[home%window] == e.Digest:
		return fault(n, history.FaultInserted, "a copy of entry %d stands at place %d", home, n), nil
	case home < n:
		v.at = history.Head{Sequence: home - 1, Digest: v.recent[(home-1)%window]}
		return fault(home, history.FaultInserted, "what was entry %d stands at place %d: an entry was put before it", home, n), nil
	}
	swapped := uint64(0)
	err := v.rest(func(other history.Entry) {
		was := other.Sequence
		if other.Sequence = n; swapped == 0 && was <= n+window && other.Sealed() && other.Previous == v.at.Digest {
			swapped = was
		}
	})
	switch {
	case err != nil:
		return nil, err
	case swapped > 0:
		return fault(n, history.FaultReordered, "what was entry %d stands at place %d, and entry %d at place %d", home, n, n, swapped), nil
	}
	return fault(n, history.FaultDropped, "entry %d is missing; what was entry %d stands in its place", n, home), nil
}

// home is the place at which the entry fits its digest.
func (v *verifier) home(e history.Entry, n uint64) (uint64, bool) {
	fits := func(place uint64) bool {
		e.Sequence = place
		return e.Sealed()
	}
	if fits(n) {
		return n, true
	}
	for distance := uint64(1); distance < window; distance++ {
		if fits(n + distance) {
			return n + distance, true
		}
		if distance < n && fits(n-distance) {
			return n - distance, true
		}
	}
	return 0, false
}

// rest reads on to the end, for the entries that are still to come.
func (v *verifier) rest(each func(history.Entry)) error {
	for {
		l, more, err := v.next()
		if err != nil || !more {
			return err
		}
		if l.wrong == nil && l.checkpoint == nil {
			each(l.entry)
		}
	}
}
