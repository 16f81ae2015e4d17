package scenario

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// soakTime is for how long an image has to run in stage: long enough for a slow
// machine to see that it does not suffice yet.
const soakTime = 15 * time.Second

// build pushes a new version of a service and signs it.
func (s *story) build(service, tag string) payments.Version {
	s.t.Helper()
	v, err := s.Build(s.ctx, service, tag)
	require.NoError(s.t, err)
	return s.Written(v)
}

// bump opens renovate's pull request.
func (s *story) bump(environment, service string, v payments.Version, key *payments.CommitKey) payments.Pull {
	s.t.Helper()
	p, err := s.Bump(environment, service, v, key)
	require.NoError(s.t, err)
	return p
}

// runsImage waits until production runs a version in all its pods.
func (s *story) runsImage(service, sha string, v payments.Version, n int) payments.Live {
	s.t.Helper()
	l, err := s.AwaitImage(s.ctx, "prod", service, sha, s.ImageReference(service, v))
	require.NoError(s.t, err)
	require.Len(s.t, l.History, n, "deployments: %s", l)
	return l
}

// decided waits until the newest recorded decision has a verdict on one landing, and
// holds a finding with the code about it.
func (s *story) decided(service, sha, verdict, code string) {
	s.t.Helper()
	err := payments.Await(s.ctx, fmt.Sprintf("the decision on %s of %s to be %s with %s", sha, service, verdict, code), func(ctx context.Context) (bool, string, error) {
		d, err := s.Decision(ctx, service)
		return d.On(sha).Verdict == verdict && d.On(sha).Has(code), fmt.Sprintf("%+v", d), err
	})
	require.NoError(s.t, err)
}

// imageBump: a bot's signed bump of stage lands and is synced by hand. The same bump
// of production needs the release team, not the SREs and not who holds the bot's key,
// and then waits until the image has soaked in stage.
func imageBump(t *testing.T, s *story) {
	s.run()
	next := s.build(payments.Ledger, "1.5.0")
	stage := s.bump("stage", payments.Ledger, next, s.RenovateKey())
	prod := s.bump("prod", payments.Ledger, next, s.RenovateKey())
	s.check(prod.Head, "image 0 of 1 · "+s.Application("prod", payments.Ledger)+" · waiting for 1 more of acme/release")
	s.says(prod.Number, "image", "1 more of acme/release", "frank")
	s.approve(payments.Bob, prod.Number)
	s.approve(payments.Carol, prod.Number)
	s.approve(payments.Grace, prod.Number)
	s.says(prod.Number, "0 of 1", "bob is not one of acme/release", "carol is not one of acme/release", "grace holds a key with which it was signed")
	s.approve(payments.Frank, prod.Number)
	s.says(prod.Number, "1 of 1")

	sha := s.merge(stage.Number, "squash")
	require.NoError(t, s.SyncByHand(s.ctx, "stage", payments.Ledger, sha))
	healthy, err := s.AwaitImage(s.ctx, "stage", payments.Ledger, sha, s.ImageReference(payments.Ledger, next))
	require.NoError(t, err)
	sha, err = s.Merge(payments.Alice, prod.Number, "merge")
	require.NoError(t, err)
	s.says(prod.Number, "ran Healthy in argocd/"+s.Application("stage", payments.Ledger)+" for ", " of 15 seconds", "What still keeps it from being deployed is told below")
	require.Contains(t, s.explain("argocd/"+s.Application("prod", payments.Ledger), "--live"), "✓ release: 1 of 1 approval for images")

	live := s.runsImage(payments.Ledger, sha, next, 2)
	require.Contains(t, live.InitiatedBy, "(frank)")
	s.says(prod.Number, "1 of 1", "synced")
	since := timeOf(t, healthy.Object, "status", "health", "lastTransitionTime")
	require.GreaterOrEqual(t, timeOf(t, live.Object, "status", "operationState", "startedAt").Sub(since), soakTime, "it has to soak first")

	var was []string
	all, err := s.Decisions(s.ctx, payments.Ledger)
	require.NoError(t, err)
	for _, d := range all {
		on := d.On(sha)
		was = append(was, on.Verdict)
		if on.Verdict == "blocked" {
			require.True(t, on.Has("image.soaking"), "%+v", on)
		}
	}
	require.Contains(t, was, "blocked")
	intent := s.carried(payments.Ledger, 1)[0]
	require.Equal(t, "frank", decode[intentPayload](s, intent).Approvers[0].Login)
	s.known(intent.Sequence-1, payments.Ledger, next) // by the decision that it rests on
}

// imagePayload is what a recorded decision knows of images, as a reader of the export
// sees it.
type imagePayload struct {
	Facts struct {
		Images []struct {
			Image struct{ Repository, Tag, Digest string }
			// Digest is what the registry had.
			Digest, Signed, Key string
			Soak                struct{ Application, State string }
		}
		Lines []struct {
			Landings []struct {
				Pull *struct {
					Signatures []struct{ State, Signer, Key string }
				}
			}
		}
	}
}

// known asserts that a recorded decision holds the digest, who signed it, where it was
// proven, and who signed the commits.
func (s *story) known(entry int, service string, v payments.Version) {
	s.t.Helper()
	entries, err := s.Record(s.ctx)
	require.NoError(s.t, err)
	for _, e := range entries {
		if e.Sequence != entry {
			continue
		}
		require.Equal(s.t, "decision", e.Kind)
		facts := decode[imagePayload](s, e).Facts
		require.Len(s.t, facts.Images, 1)
		i := facts.Images[0]
		require.Equal(s.t, s.ImageReference(service, v), i.Image.Repository+":"+i.Image.Tag+"@"+i.Image.Digest)
		require.Equal(s.t, []string{v.Digest, "verified"}, []string{i.Digest, i.Signed})
		require.NotEmpty(s.t, i.Key)
		require.Equal(s.t, []string{"argocd/" + s.Application("stage", service), "proven"}, []string{i.Soak.Application, i.Soak.State})
		landings := facts.Lines[0].Landings
		signed := landings[len(landings)-1].Pull.Signatures
		require.Len(s.t, signed, 1)
		require.Equal(s.t, []string{"trusted", "renovate"}, []string{signed[0].State, signed[0].Signer})
		require.NotEmpty(s.t, signed[0].Key)
		return
	}
	require.Fail(s.t, "there is no such entry")
}

func timeOf(t *testing.T, object *unstructured.Unstructured, fields ...string) time.Time {
	t.Helper()
	text, _, _ := unstructured.NestedString(object.Object, fields...)
	at, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err, strings.Join(fields, "."))
	return at
}

// imageRefused: a bump with one line more needs both quorums, and is synced when it
// has them and its image is signed. A bump that nobody signed, one that a stranger signed and an image of
// another registry are not synced, whoever approves them.
func imageRefused(t *testing.T, s *story) {
	s.run()
	built, err := s.PushUnsigned(s.ctx, payments.Ledger, "1.5.0")
	require.NoError(t, err)
	next := s.Written(built)
	more := strings.Replace(s.ImageValues("prod", payments.Ledger, next), "replicas: 2", "replicas: 3", 1)
	pull, err := s.ProposeSigned(payments.Renovate, payments.ValuesFile("prod", payments.Ledger), more, s.RenovateKey(), "Update ledger, and scale it")
	require.NoError(t, err)
	s.approve(payments.Frank, pull.Number)
	s.says(pull.Number, "sre: 0 of 2 approvals for configuration", "release: 1 of 1 approval for images", "needs both quorums: it changes at replicas")
	s.check(pull.Head, "config 0 of 2 · image 1 of 1 · ")
	sha := s.merge(pull.Number, "squash")
	s.decided(payments.Ledger, sha, "blocked", "quorum.missing")
	s.untouched(payments.Ledger)
	s.approve(payments.Bob, pull.Number)
	s.approve(payments.Carol, pull.Number)
	s.decided(payments.Ledger, sha, "blocked", "image.not_signed")
	s.says(pull.Number, "sre: 2 of 2 approvals", "is not signed with the gate's keys")
	s.untouched(payments.Ledger)
	require.NoError(t, s.SignImage(s.ctx, payments.Ledger, built.Digest))
	s.approve(payments.Dave, pull.Number) // who is not needed, but makes Gatekeeper look again
	live := s.runsImage(payments.Ledger, sha, next, 2)
	require.Equal(t, 3, live.PodImages[s.ImageReference(payments.Ledger, next)])

	stranger, err := payments.NewCommitKey()
	require.NoError(t, err)
	const notifier = "bases/notifier/deployment.yaml"
	for _, c := range []struct {
		path, content string
		key           *payments.CommitKey
		code          string
		says          []string
	}{
		{payments.ValuesFile("prod", payments.Payments), s.ImageValues("prod", payments.Payments, s.build(payments.Payments, "2.0.0")), nil,
			"signature.missing", []string{"is not signed"}},
		{payments.ValuesFile("prod", payments.Ledger), strings.Replace(more, "1.5.0", s.build(payments.Ledger, "1.5.1").Tag, 1), stranger,
			"signature.stranger", []string{"is not signed by one of the gate's signers"}},
		{notifier, strings.Replace(s.Files()[notifier], "registry.example.com", "registry.example.net", 1), s.RenovateKey(),
			"quorum.missing", []string{"the repository changes at ", "2 more of acme/sre"}},
	} {
		pull, err := s.ProposeSigned(payments.Renovate, c.path, c.content, c.key, "Update "+c.path)
		require.NoError(t, err)
		s.approve(payments.Frank, pull.Number)
		landed := s.merge(pull.Number, "squash")
		s.decided(payments.Ledger, landed, "blocked", c.code)
		s.says(pull.Number, append(c.says, "1 of 1")...)
	}
	s.stays(payments.Ledger, sha, payments.FirstLimit, 2)
}

// imageMoved: after the approval the tag is given to another image, signed or not,
// and the registry is down. None of that is synced; the next version is.
func imageMoved(t *testing.T, s *story) {
	s.run()
	pull := s.bump("prod", payments.Ledger, s.build(payments.Ledger, "1.5.0"), s.RenovateKey())
	s.approve(payments.Frank, pull.Number)
	s.says(pull.Number, "1 of 1", "It has all approvals that it needs")
	s.build(payments.Ledger, "1.5.0") // another image, with the right key even
	sha := s.merge(pull.Number, "squash")
	s.decided(payments.Ledger, sha, "blocked", "image.tag_moved")
	s.says(pull.Number, "when it was first looked at, and is sha256:")
	s.untouched(payments.Ledger)

	unsigned, err := s.PushUnsigned(s.ctx, payments.Ledger, "1.5.1")
	require.NoError(t, err)
	pull = s.bump("prod", payments.Ledger, s.Written(unsigned), s.RenovateKey())
	s.approve(payments.Frank, pull.Number)
	s.says(pull.Number, "is not signed with the gate's keys")
	sha = s.merge(pull.Number, "squash")
	s.decided(payments.Ledger, sha, "blocked", "image.not_signed")
	s.untouched(payments.Ledger)

	next := s.build(payments.Ledger, "1.5.2")
	pull = s.bump("prod", payments.Ledger, next, s.RenovateKey())
	s.says(pull.Number, "0 of 1")
	s.Registry().Down(true)
	s.approve(payments.Frank, pull.Number)
	sha = s.merge(pull.Number, "squash")
	s.decided(payments.Ledger, sha, "unknown", "image.unverified")
	s.says(pull.Number, "it is not known whether")
	s.untouched(payments.Ledger)
	s.Registry().Down(false)
	s.approve(payments.Bob, pull.Number) // who counts for nothing here, but is heard
	s.runsImage(payments.Ledger, sha, next, 2)
	s.says(pull.Number, "synced")
}
