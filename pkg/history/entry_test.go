package history_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
)

func deployment(t testing.TB) []history.Entry {
	t.Helper()
	entries, err := history.Seal(history.Head{}, historytest.Deployment(t, history.Head{}, "a", "prod", "i-1", history.ResultSucceeded)...)
	require.NoError(t, err)
	return entries
}

// TestSealDigest computes the digests the way package history's comment says
// that anybody can: from the exported entry without its digest.
func TestSealDigest(t *testing.T) {
	t.Parallel()
	previous := history.Digest("")
	for i, entry := range deployment(t) {
		require.Equal(t, uint64(i+1), entry.Sequence)
		require.Equal(t, previous, entry.Previous)
		exported, err := json.Marshal(entry)
		require.NoError(t, err)
		var members map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(exported, &members))
		delete(members, "digest")
		digest, err := history.DigestOf(members)
		require.NoError(t, err)
		require.Equal(t, digest, entry.Digest)
		previous = entry.Digest
	}
}

// TestSealIsStable: a digest that is on record somewhere is the same for ever.
// When this fails, a change made all existing records unverifiable.
func TestSealIsStable(t *testing.T) {
	t.Parallel()
	entries, err := history.Seal(history.Head{Sequence: 41, Digest: "sha256:00"}, historytest.Abandoned("a", "i-1"))
	require.NoError(t, err)
	text, err := json.Marshal(entries[0])
	require.NoError(t, err)
	require.JSONEq(t, `{
		"sequence": 42, "previous": "sha256:00", "time": "2026-08-03T09:30:00.123456789Z",
		"kind": "abandoned", "application": "a", "intent": "i-1",
		"payload": {"intent": "i-1", "reason": "the Application changed before the sync was requested"},
		"digest": "sha256:cbc74d8540a9df6c0d6de09a68c8f058f2973c36002c9c5ec0bca4d1307c7c04"
	}`, string(text))
}

func TestSealRefusesNames(t *testing.T) {
	t.Parallel()
	for _, application := range []string{"", "caf\xe9", strings.Repeat("a", history.MaxName+1)} {
		_, err := history.Seal(history.Head{}, historytest.Abandoned(application, "i-1"))
		require.ErrorIs(t, err, history.ErrInvalid, "%q", application)
	}
	for _, intent := range []string{"", "caf\xe9", strings.Repeat("a", history.MaxName+1)} {
		_, err := history.Seal(history.Head{}, historytest.Abandoned("a", intent))
		require.ErrorIs(t, err, history.ErrInvalid, "%q", intent)
	}
}

func TestSealNormalisesTime(t *testing.T) {
	t.Parallel()
	draft := historytest.Abandoned("a", "i-1")
	want, err := history.Seal(history.Head{}, draft)
	require.NoError(t, err)
	draft.Time = draft.Time.In(time.FixedZone("CEST", 2*60*60))
	got, err := history.Seal(history.Head{}, draft)
	require.NoError(t, err)
	require.Equal(t, want, got)

	draft.Time = time.Now()
	got, err = history.Seal(history.Head{}, draft)
	require.NoError(t, err)
	require.Equal(t, time.Unix(0, draft.Time.UnixNano()).UTC(), got[0].Time)
}

// TestReplay: what Decode returns has the digests that are on record, so the
// decision can be made again from it.
func TestReplay(t *testing.T) {
	t.Parallel()
	policy := approval.Policy{Gate: "prod", Applications: []approval.Selector{}, Repositories: nil}
	facts := approval.Facts{
		CollectedAt: time.Date(2026, 8, 3, 11, 30, 0, 5, time.FixedZone("", 2*60*60)),
		Application: approval.Application{UID: "a", Operation: &approval.Operation{}, Deployed: []approval.DeployedRevision{{ID: 1}}},
		Lines:       []approval.Line{{Landings: []approval.Landing{{Pull: &approval.PullRequest{Reviews: []approval.Review{{ID: 1 << 40}}}, Changes: []approval.Change{}}}}},
	}
	payload, err := history.NewDecision(policy, facts, approval.Decision{Gate: "prod", Verdict: approval.Blocked, Findings: []approval.Finding{}})
	require.NoError(t, err)
	entries, err := history.Seal(history.Head{}, history.Draft{Time: historytest.Start(), Application: "a", Payload: payload})
	require.NoError(t, err)
	decoded, err := history.Decode[history.DecisionPayload](entries[0])
	require.NoError(t, err)
	again, err := history.NewDecision(decoded.Policy, decoded.Facts, decoded.Decision)
	require.NoError(t, err)
	require.Equal(t, payload.PolicyDigest, again.PolicyDigest)
	require.Equal(t, payload.FactsDigest, again.FactsDigest)
	require.Equal(t, decoded, again)
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	intent := deployment(t)[1]
	decoded, err := history.Decode[history.IntentPayload](intent)
	require.NoError(t, err)
	require.Equal(t, "i-1", decoded.ID)

	_, err = history.Decode[history.OutcomePayload](intent)
	require.ErrorContains(t, err, `entry 2 is of kind "intent", not "outcome"`)

	for name, change := range map[string]func(e *history.Entry){
		"unknown field": func(e *history.Entry) {
			e.Payload = json.RawMessage(strings.Replace(string(e.Payload), "{", `{"partial":true,`, 1))
		},
		"other intent":    func(e *history.Entry) { e.Intent = "i-2" },
		"second value":    func(e *history.Entry) { e.Payload = append(append(json.RawMessage{}, e.Payload...), "{}"...) },
		"not JSON":        func(e *history.Entry) { e.Payload = e.Payload[:10] },
		"nothing":         func(e *history.Entry) { e.Payload = nil },
		"of another kind": func(e *history.Entry) { e.Kind = "intents" },
	} {
		changed := intent
		change(&changed)
		none, err := history.Decode[history.IntentPayload](changed)
		require.Error(t, err, name)
		require.Zero(t, none, name)
	}
}

// FuzzDecode: a payload from a file that anybody may have written does not bring
// the reader down, and what is accepted stands in an entry of its intent.
func FuzzDecode(f *testing.F) {
	for _, entry := range deployment(f) {
		f.Add(string(entry.Kind), entry.Intent, []byte(entry.Payload))
	}
	f.Fuzz(func(t *testing.T, kind, intent string, payload []byte) {
		entry := history.Entry{Sequence: 1, Kind: history.Kind(kind), Intent: intent, Payload: payload}
		if _, err := history.Decode[history.DecisionPayload](entry); err == nil {
			require.Empty(t, intent)
			require.Equal(t, history.KindDecision, entry.Kind)
		}
		if got, err := history.Decode[history.IntentPayload](entry); err == nil {
			require.Equal(t, intent, got.ID)
		}
		if got, err := history.Decode[history.OutcomePayload](entry); err == nil {
			require.Equal(t, intent, got.Intent)
		}
		if got, err := history.Decode[history.AbandonedPayload](entry); err == nil {
			require.Equal(t, intent, got.Intent)
		}
	})
}

// TestImports: the record needs the core and the standard library alone.
func TestImports(t *testing.T) {
	t.Parallel()
	output, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	require.NoError(t, err)
	const module = "github.com/argo-gatekeeper/gatekeeper/pkg/"
	require.ElementsMatch(t, []string{module + "approval", module + "history"}, strings.Fields(string(output)))
}
