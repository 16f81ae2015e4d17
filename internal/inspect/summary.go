package inspect

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Summary counts what an inspection found.
type Summary struct {
	// Landings and Commits of the first-parent line.
	Landings, Commits int
	Kinds             map[Kind]int
	Classes           map[Class]int
	Proofs            map[Proof]int
	Findings          map[Code]int
	// Pulls is how many different pull requests are named.
	Pulls int
	// Signed are the commits of pull requests, as far as they are known, else the
	// landed ones, by the type of their signature; "none" are those without.
	Signed map[string]int
	// Verified are those of them that were compared with the keys of signers, by the
	// result.
	Verified map[string]int
	// NeedApproval are the landings that change something in scope.
	NeedApproval int
	// Gates are the same by gate, when there is a configuration.
	Gates map[string]int
	// Folders are the folders in scope by how many landings changed something there.
	Folders map[string]int
	// Replaced is how many replacements the repository has, which were not looked at.
	Replaced int
	Partial  bool
	Took     time.Duration

	pulls map[int]bool
}

// maxFolders bounds the folders that are counted apart.
const maxFolders = 10_000

func newSummary(commits int) Summary {
	return Summary{Commits: commits, Kinds: map[Kind]int{}, Classes: map[Class]int{}, Proofs: map[Proof]int{}, Findings: map[Code]int{},
		Signed: map[string]int{}, Verified: map[string]int{}, Gates: map[string]int{}, Folders: map[string]int{}, pulls: map[int]bool{}}
}

func (s *Summary) add(l Landing) {
	s.Landings++
	s.Kinds[l.Kind]++
	s.Classes[l.Class]++
	s.Proofs[l.Proof]++
	seen := map[Code]bool{}
	for _, f := range l.Findings {
		if !seen[f.Code] {
			seen[f.Code] = true
			s.Findings[f.Code]++
		}
	}
	if l.Pull != nil {
		s.pulls[*l.Pull] = true
		s.Pulls = len(s.pulls)
	}
	for _, sig := range l.judged() {
		s.Signed[sig.Type]++
		switch sig.State {
		case StateTrusted, StateStranger, StateInvalid:
			s.Verified[sig.State]++
		}
	}
	if l.Class != ClassNone {
		s.NeedApproval++
	}
	for gate, class := range l.Gates {
		if _, ok := s.Gates[gate]; !ok {
			s.Gates[gate] = 0
		}
		if class != ClassNone {
			s.Gates[gate]++
		}
	}
	for _, f := range l.folders {
		if _, ok := s.Folders[f]; ok || len(s.Folders) < maxFolders {
			s.Folders[f]++
		}
	}
}

// judged are the signatures that count for a landing: those of the pull request's
// commits when they are known.
func (l Landing) judged() []Signature {
	if l.sides > 0 {
		return l.Signatures[:l.sides]
	}
	return l.Signatures
}

// counted is something with how often it was there.
type counted struct {
	name string
	n    int
}

// byCount lists counts, the largest first.
func byCount[K ~string](m map[K]int) []counted {
	var list []counted
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if m[k] > 0 {
			list = append(list, counted{string(k), m[k]})
		}
	}
	slices.SortStableFunc(list, func(a, b counted) int { return cmp.Compare(b.n, a.n) })
	return list
}
