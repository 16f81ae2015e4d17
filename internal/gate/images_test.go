package gate

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// looked are images of which the same is known in every change.
type looked struct {
	evidence approval.ImageEvidence
	err      error
}

func (l looked) Complete(_ context.Context, _ approval.Policy, facts *approval.Facts) error {
	facts.Images = []approval.ImageEvidence{l.evidence}
	return l.err
}

func (l looked) CompletePull(_ context.Context, _ approval.Policy, _ approval.ProtectedRepository, a approval.PullAnswer) (approval.PullAnswer, []approval.ImageEvidence, error) {
	a.Changes[0].Images = &approval.ImageChange{Only: true, Moves: []approval.ImageMove{{To: l.evidence.Image}}}
	return a, []approval.ImageEvidence{l.evidence}, l.err
}

func (l looked) Notes(_ context.Context, _ approval.Policy, _ approval.ProtectedRepository, a approval.PullAnswer) ([]approval.Note, error) {
	return []approval.Note{{Path: a.Changes[0].Path, First: 1, Last: 1, Text: a.Changes[0].Images.Why}}, l.err
}

func imagePolicy() approval.Policy {
	p := gatePolicy("prod")
	p.Image = &approval.ImagePolicy{
		Requirements: []approval.Requirement{{Name: "release", Approvals: 1, Teams: []approval.TeamName{"acme/release"}}},
		Signers:      []approval.Signer{{Name: "renovate"}}, Downgrade: approval.HandleEscalate, MutableTag: approval.HandleRefuse,
		Verify:   []approval.ImageKeys{{Name: "build", Repositories: []string{"ghcr.io/acme/**"}}},
		ProvenIn: &approval.ProvenIn{Application: "{{ .Service }}-stage", Soak: time.Hour},
	}
	return p
}

// TestImagesAgain: what may change without an event is looked at again, on the pull
// request as in the Application.
func TestImagesAgain(t *testing.T) {
	t.Parallel()
	soak := func(state approval.SoakState, ran time.Duration) *approval.Soak {
		return &approval.Soak{Application: "argocd/payments-stage", State: state, Ran: ran}
	}
	for name, c := range map[string]struct {
		signed      approval.ImageSigned
		soak        *approval.Soak
		merged      bool
		app, onPull time.Duration
	}{
		"as it should be":     {signed: approval.ImageSignedYes, soak: soak(approval.SoakProven, time.Hour)},
		"not known":           {soak: soak(approval.SoakProven, time.Hour), app: againImages, onPull: againImages},
		"not signed":          {signed: approval.ImageSignedNo, soak: soak(approval.SoakProven, time.Hour), app: againImages, onPull: againUnsigned},
		"not signed, merged":  {signed: approval.ImageSignedNo, soak: soak(approval.SoakProven, time.Hour), merged: true, app: againImages},
		"soaking":             {signed: approval.ImageSignedYes, soak: soak(approval.SoakRunning, 20*time.Minute), app: 40*time.Minute + time.Second},
		"nowhere yet":         {signed: approval.ImageSignedYes, soak: soak(approval.SoakNot, 0), app: againImages},
		"soak, but not known": {signed: approval.ImageSignedYes, soak: soak("", 0), app: againImages},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			p := imagePolicy()
			s.gate = s.newGate(p)
			e := approval.ImageEvidence{Image: approval.Image{Repository: "ghcr.io/acme/web", Tag: "2"}, Signed: c.signed, Soak: c.soak}
			s.lookAt(looked{evidence: e})
			require.Equal(t, c.app, s.reconciled())
			answer := s.openPull(7)
			answer.Open, answer.Pull.Merged = !c.merged, c.merged
			s.hub.pullOf[7] = answer
			again, err := s.gate.reconcile(t.Context(), Key{Repository: repository, Pull: 7})
			require.NoError(t, err)
			require.Equal(t, c.onPull, again)
			report, ok := s.reports.last(7)
			require.True(t, ok)
			require.Equal(t, approval.ClassImage, report.Gates[0].Class)
			require.Equal(t, approval.Progress{Needed: 1}, report.Gates[0].Images)
		})
	}
}

// TestImagesMissing: without knowledge of images there is no decision and no report.
func TestImagesMissing(t *testing.T) {
	t.Parallel()
	for name, images := range map[string]Images{"nothing is set up": nil, "it fails": looked{err: errDown}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			s.gate = s.newGate(imagePolicy())
			s.lookAt(images)
			_, err := s.reconcile()
			require.Error(t, err)
			d := s.decisions()
			require.Equal(t, approval.Unknown, d[len(d)-1].Decision.Verdict)
			s.openPull(7)
			_, err = s.gate.reconcile(t.Context(), Key{Repository: repository, Pull: 7})
			require.Error(t, err)
			require.Zero(t, s.reports.count())
		})
	}
}

// lookAt has the gate look at images so, before it judges anything.
func (s *setup) lookAt(images Images) {
	r := s.gate.rules().Rules
	r.Images = images
	s.gate.inForce.Store(newRules(r, history.CauseStart))
}
