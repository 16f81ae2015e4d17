package operate_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/internal/operate"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

func TestMark(t *testing.T) {
	w := newWorld(t)
	w.deployed("1")
	_, err := w.store.Append(t.Context(), history.Head{}, history.Draft{Time: now, Application: "uid-shop", Payload: history.ObservedPayload{
		Gate: "prod", Application: "argocd/shop", Phase: "Succeeded", StartedAt: now,
	}})
	require.NoError(t, err)
	mark := func(number int, failed bool) (operate.Marked, error) {
		var out operate.Marked
		err := w.call(operate.VerbMark, operate.MarkRequest{Application: "argocd/shop", Number: number, Failed: failed, By: "alice", Reason: "INC-1"}, &out)
		return out, err
	}
	_, err = mark(5, true)
	w.refused(err, console.CodeNotFound, "deployment #5 of argocd/shop is not on record")
	for _, test := range []struct {
		failed bool
		want   string
	}{{true, history.MarkFailed}, {false, history.MarkNotFailed}} {
		got, err := mark(3, test.failed)
		require.NoError(t, err)
		require.Equal(t, test.want, got.Mark)
		require.Equal(t, "prod", got.Gate)
		acts, err := w.store.Acts(t.Context())
		require.NoError(t, err)
		act, err := history.Decode[history.ActPayload](acts[len(acts)-1])
		require.NoError(t, err)
		require.Equal(t, test.want, act.Mark)
		require.EqualValues(t, 1, act.Deployment)
		require.Equal(t, "INC-1", act.Reason)
	}
}
