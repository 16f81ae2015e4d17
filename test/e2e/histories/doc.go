// Package histories checks the one thing that matters on random histories of a
// real git repository: if Decide allows a commit, then every byte in scope that
// differs from the baseline came from a landing whose content its approvers saw.
//
//	seed ─► actions of people ─► GitHub stand-in ─► collect + mirror ─► Decide ─┐
//	              │                     │                                       ├─ compare
//	              └─► log ──────────────┴─► plain git ─► oracle ────────────────┘
//
// The oracle shares no code with pkg/approval and pkg/github. It knows what
// people did from the log that the generator keeps while it acts for them, and
// reads contents with plain git from the bare repository, never from the API.
// It starts anew at every question and remembers nothing but the content of git
// objects.
//
// That what is allowed is right must hold always. That what is right is allowed
// is measured: go test -v prints how often the oracle would have let a newer
// commit through, and the codes of the findings that held it back.
//
// A history that fails is made shorter, and printed in words with the command
// that plays it again.
//
// Long runs: go test ./test/e2e/histories -histories 500 -timeout 2h
package histories
