package history

import (
	"encoding/json"
	"time"
)

// Kind says what an entry tells. The zero kind is not valid.
type Kind string

// The kinds of entries.
const (
	// KindDecision: a decision, with the policy and the facts it rests on.
	KindDecision Kind = "decision"
	// KindIntent: a sync that is about to be requested.
	KindIntent Kind = "intent"
	// KindOutcome: what became of a sync that was requested.
	KindOutcome Kind = "outcome"
	// KindAbandoned: an intent that was found not to have been acted on.
	KindAbandoned Kind = "abandoned"
	// KindAct: what a person ordered.
	KindAct Kind = "act"
	// KindDenied: a request that the API server was told to refuse.
	KindDenied Kind = "denied"
	// KindObserved: a sync that was seen, and for which there is no intent.
	KindObserved Kind = "observed"
	// KindHealth: how the Application fared after a deployment.
	KindHealth Kind = "health"
	// KindArchived: the payloads of earlier entries were moved to an archive.
	KindArchived Kind = "archived"
	// KindPolicy: by what a gate judges from here on.
	KindPolicy Kind = "policy"
)

// Entry is one line of the record. Its fields are exactly what its digest is
// computed from, the Digest itself and the Leaf excepted.
type Entry struct {
	// Sequence counts from 1 without gaps.
	Sequence uint64 `json:"sequence"`
	// Previous is the digest of the entry before; empty for the first.
	Previous Digest `json:"previous"`
	// Time is by the clock of the process that wrote the entry, in UTC. Nothing
	// relies on its order: clocks are set back.
	Time time.Time `json:"time"`
	Kind Kind      `json:"kind"`
	// Application is the UID of the Argo CD Application; empty for an order about a
	// whole gate, and for a gate's policy.
	Application string `json:"application"`
	// Intent is the ID of the intent that the entry is or belongs to; empty for
	// all others.
	Intent string `json:"intent"`
	// Payload is canonical JSON; Decode reads it.
	Payload json.RawMessage `json:"payload"`
	Digest  Digest          `json:"digest"`
	// Leaf is empty for a whole entry. For one whose payload was archived, and which has
	// none, it is the entry's hash in the Merkle tree (LeafOf).
	Leaf Digest `json:"leaf,omitempty"`
}

// Head is the record's head once this entry is its last.
func (e Entry) Head() Head { return Head{Sequence: e.Sequence, Digest: e.Digest} }

// Head names the last entry of a record, and with it everything before. The
// zero Head is that of an empty record.
type Head struct {
	Sequence uint64 `json:"sequence"`
	Digest   Digest `json:"digest"`
}

// Draft is an entry that has not been written yet.
type Draft struct {
	// Time must not be zero, and is between the years 1970 and 2261.
	Time time.Time
	// Application is the UID of the Argo CD Application; empty for an order about a
	// whole gate, and for a gate's policy.
	Application string
	// Payload is one of the payload structs of this package, by value.
	Payload Payload
}
