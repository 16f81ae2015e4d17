package gate

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// memory holds the latest decision of each Application, for reports and for
// telling which Applications an event can concern. It is rebuilt by reconciling
// and nothing rests on it.
type memory struct {
	mu   sync.Mutex
	apps map[string]remembered // by namespace/name
	// working are the Applications that are being reconciled.
	working map[string]work
	// heard counts what may change a decision, and doubts has of each Application the newest
	// of it that it was not judged after.
	heard  uint64
	doubts map[string]uint64
	// specWaits are those whose spec is not known to be approved. Every reconcile asks
	// for them, so they are not looked for among ten thousand others.
	specWaits map[string]bool
}

type remembered struct {
	uid      string
	gate     string
	decision approval.Decision
	// at is when it was made, began when its facts began to be collected, and heard what had
	// been heard by then.
	at, began time.Time
	heard     uint64
	// by is the identity of the policy that it was made by, see rules.identity.
	by string
	// recorded is the gist of the decision that was recorded last; empty when it
	// has to be read.
	recorded history.Digest
	// grounds name that entry, if it allows something.
	grounds grounds
	// owed are pull requests that were last told that facts are missing.
	owed []Key
	// state is one line for people that says what is being done about the
	// decision.
	state string
}

func (m *memory) get(app string) (remembered, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.apps[app]
	return r, ok
}

func (m *memory) set(app string, r remembered) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.apps == nil {
		m.apps = map[string]remembered{}
	}
	r.began, r.heard = m.working[app].began, m.working[app].heard
	if m.doubts[app] <= r.heard {
		delete(m.doubts, app)
	}
	m.apps[app] = r
	if slices.ContainsFunc(r.decision.Findings, waitsForSpec) {
		if m.specWaits == nil {
			m.specWaits = map[string]bool{}
		}
		m.specWaits[app] = true
	} else {
		delete(m.specWaits, app)
	}
}

// waitsForSpec says whether a finding is about a spec that no approved commit of a
// parent explains yet.
func waitsForSpec(f approval.Finding) bool {
	return f.Code == approval.CodeSpecNotAdopted || f.Code == approval.CodeSpecChanged
}

// recorded keeps the gist of the decision that was recorded last, and where it is;
// the empty one says that it is not known.
func (m *memory) recorded(app approval.Application, gist history.Digest, on grounds) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.apps[app.Key()]
	if !ok || r.uid != app.UID {
		return // remember comes first for a new one
	}
	r.recorded, r.grounds = gist, on
	m.apps[app.Key()] = r
}

// grounds are a recorded decision, for those who refer to it.
type grounds struct {
	sequence      uint64
	policy, facts history.Digest
	candidate     approval.Candidate
	approvers     []approval.User
	// act is the ID of the use of break-glass that allows it; empty for none.
	act string
}

// groundsOf is a decision that was recorded as the entry with that number.
func groundsOf(sequence uint64, p history.DecisionPayload) grounds {
	return grounds{
		sequence: sequence, policy: p.PolicyDigest, facts: p.FactsDigest,
		candidate: p.Decision.Candidate, approvers: approvers(asShipped(p.Decision)),
	}
}

// settled is get for those who rely on the decision being of now. While the
// Application is being reconciled there is none: what is being collected may be
// older than the event that asks. Nor is there one after an event until it was judged,
// which may be long: the key may wait, fail and be tried again, or find a sync under way.
func (m *memory) settled(app string) (remembered, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.apps[app]
	_, working := m.working[app]
	return r, ok && !working && m.doubts[app] <= r.heard
}

// doubt says that something was heard that may change the decision on an Application. It
// comes before the key is queued.
func (m *memory) doubt(app string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.doubts == nil {
		m.doubts = map[string]uint64{}
	}
	m.heard++
	m.doubts[app] = m.heard
}

// work is a reconcile, with what had been heard when it began.
type work struct {
	began time.Time
	heard uint64
}

// begin and end enclose a reconcile.
func (m *memory) begin(app string, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.working == nil {
		m.working = map[string]work{}
	}
	m.working[app] = work{at, m.heard}
}

func (m *memory) end(app string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.working, app)
}

// waitingForSpec are the Applications whose decision has a finding that waitsForSpec.
func (m *memory) waitingForSpec() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.specWaits))
}

// others are the UIDs of all other Applications, by their names.
func (m *memory) others(apps map[string]bool) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]string{}
	for app, r := range m.apps {
		if !apps[app] {
			out[app] = r.uid
		}
	}
	return out
}

// keep forgets all other Applications.
func (m *memory) keep(apps map[string]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.apps, func(app string, _ remembered) bool { return !apps[app] })
	maps.DeleteFunc(m.specWaits, func(app string, _ bool) bool { return !apps[app] })
	maps.DeleteFunc(m.doubts, func(app string, _ uint64) bool { return !apps[app] })
}

func (m *memory) forget(app string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.apps, app)
	delete(m.specWaits, app)
	delete(m.doubts, app)
}
