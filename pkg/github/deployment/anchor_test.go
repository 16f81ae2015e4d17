package deployment

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="

// TestAnchored: the payload has the signed checkpoint of when it was made, and the status of
// a success says what the record was then.
func TestAnchored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	size := 117
	w.p.options.Checkpoint = func(context.Context) (string, error) {
		size++
		return "gatekeeper.example.com/prod\n" + strconv.Itoa(size) + "\n" + root + "\n\n— gatekeeper.example.com/prod c2lnbmF0dXJl\n", nil
	}
	w.tell(1, at(approval.StageWaiting))
	w.tell(1, at(approval.StageSyncing))
	w.tell(1, at(approval.StageLive))
	d := w.seen(1)
	require.Len(t, d, 1)
	var kept payload
	require.NoError(t, json.Unmarshal(d[0].Payload, &kept))
	require.Equal(t, "gatekeeper.example.com/prod\n118\n"+root+"\n\n— gatekeeper.example.com/prod c2lnbmF0dXJl\n", kept.Gatekeeper.Checkpoint)
	require.Equal(t, []string{"pending", "in_progress", "success"}, w.states(1))
	require.Equal(t, "0 of 1 synced", d[0].statuses[1].Description)
	require.Equal(t, "1 of 1 synced; record 119 "+root, d[0].statuses[2].Description)
	w.tell(1, at(approval.StageLive))
	require.Len(t, w.states(1), 3, "a record that grows is no reason to write")
}

// TestAnchoredNot: nothing waits for a checkpoint, and none is cut.
func TestAnchoredNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.p.options.Checkpoint = func(context.Context) (string, error) { return "", errors.New("the disk is full") }
	w.tell(1, at(approval.StageLive))
	d := w.seen(1)
	require.Equal(t, "1 of 1 synced", d[0].statuses[0].Description)
	require.NotContains(t, string(d[0].Payload), "checkpoint")
	w.p.options.Checkpoint = func(context.Context) (string, error) { return "a\n5\n" + root + "\n\n", nil }
	long := strings.Repeat("x", maxDescription-20)
	require.Equal(t, long, w.p.anchored(t.Context(), key{}, long))
}
