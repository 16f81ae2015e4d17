package approval_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// brings is a change that brings images among other things.
func brings(path, from, to string, images ...approval.Image) approval.Change {
	c := change(path, from, to)
	c.Images = &approval.ImageChange{Touches: true, Why: "it changes at replicas"}
	for _, i := range images {
		c.Images.Moves = append(c.Images.Moves, approval.ImageMove{Place: "0 image", To: i})
	}
	return c
}

// everybody lands a signed pull request that everybody approved.
func (s *setting) everybody(changes ...approval.Change) *approval.PullRequest {
	pr := s.bump("rita", changes...)
	approve(pr, "alice", "bob")
	return pr
}

// TestImageAttack: how somebody would bring an image that nobody approved, signed or
// verified to where it runs.
func TestImageAttack(t *testing.T) {
	const file = "apps/prod/web.yaml"
	bad := func(s *setting) { s.Images[1].Signed = approval.ImageSignedNo }
	unsigned := approval.CommitSignature{Commit: oldHeadOf(10), State: approval.SignatureMissing}
	for name, c := range map[string]struct {
		change func(s *setting)
		want   approval.Code // of some finding; empty when the attack is none
		target int           // index of the landing, -1 for the baseline
	}{
		"a line more, so that nothing is verified": {func(s *setting) {
			bad(s)
			s.landing().Changes[0] = brings(file, "v1", "v2", image("v2"))
			approve(s.pull(), "alice", "bob")
		}, approval.CodeImageNotSigned, -1},
		"a line more, and verified": {func(s *setting) {
			s.landing().Changes[0] = brings(file, "v1", "v2", image("v2"))
			approve(s.pull(), "alice", "bob")
		}, "", 0},
		"a line more, by the image quorum alone": {func(s *setting) {
			s.landing().Changes[0] = brings(file, "v1", "v2", image("v2"))
		}, approval.CodeQuorumMissing, -1},
		"an image that cannot be told": {func(s *setting) {
			s.landing().Changes[0] = brings(file, "v1", "v2", approval.Image{})
			approve(s.pull(), "alice", "bob")
		}, approval.CodeImageUnseen, -1},
		"an image that cannot be told, of a gate that wants digests": {func(s *setting) {
			s.Image.Verify, s.Image.ProvenIn = nil, nil
			s.landing().Changes[0] = brings(file, "v1", "v2", approval.Image{})
			approve(s.pull(), "alice", "bob")
		}, approval.CodeImageUnseen, -1},
		"an image that cannot be told, of a gate that wants people": {func(s *setting) {
			s.Image.Verify, s.Image.ProvenIn, s.Image.RequireDigest = nil, nil, false
			s.landing().Changes[0] = brings(file, "v1", "v2", approval.Image{})
			approve(s.pull(), "alice", "bob")
		}, "", 0},
		"an older one, with a line more": {func(s *setting) {
			s.Image.Downgrade = approval.HandleRefuse
			s.landing().Changes[0] = brings(file, "v1", "v2", image("v2"))
			s.landing().Changes[0].Images.Moves[0].Downgrade = true
			approve(s.pull(), "alice", "bob")
		}, approval.CodeImageDowngrade, -1},
		"a tag that moves, with a line more": {func(s *setting) {
			s.landing().Changes[0] = brings(file, "v1", "v2", image("v2"))
			s.landing().Changes[0].Images.Moves[0].Mutable = true
			approve(s.pull(), "alice", "bob")
		}, approval.CodeImageMutable, -1},
		"documents change places, and the other one moves on": {func(s *setting) {
			bad(s)
			c := config(file, "v2", "v2b") // the bad image stands at another place now
			s.everybody(c)
			next := moves(file, "v2b", "v3") // what now stands at the first place
			next.Images.Moves[0].From, next.Images.Takes = image("v1"), []approval.Image{image("v1")}
			s.bump("rita", next)
		}, approval.CodeImageNotSigned, -1},
		"gone and back": {func(s *setting) {
			bad(s)
			s.everybody(config(file, "v2", "-"))
			s.everybody(brings(file, "-", "v2", image("v2")))
		}, approval.CodeImageNotSigned, 1},
		"an image that is still at another place": {func(s *setting) {
			bad(s)
			next := moves(file, "v2", "v3")
			next.Images.Takes = nil
			s.bump("rita", next)
		}, approval.CodeImageNotSigned, -1},
		"an image not told is taken away": {func(s *setting) {
			s.landing().Changes[0] = brings(file, "v1", "v2", approval.Image{})
			approve(s.pull(), "alice", "bob")
			next := brings(file, "v2", "v3")
			next.Images.Takes = []approval.Image{{}}
			s.everybody(next)
		}, "", 1},
		"from a file that could not be read to one that can": {func(s *setting) {
			s.landing().Changes[0] = brings(file, "v1", "v2", approval.Image{})
			approve(s.pull(), "alice", "bob")
			next := brings(file, "v2", "v3", image("v3"))
			next.Images.Whole = true
			s.everybody(next)
		}, "", 1},
		"the same, with an image that is not signed": {func(s *setting) {
			s.Images[2].Signed = approval.ImageSignedNo
			s.landing().Changes[0] = brings(file, "v1", "v2", approval.Image{})
			approve(s.pull(), "alice", "bob")
			next := brings(file, "v2", "v3", image("v3"))
			next.Images.Whole = true
			s.everybody(next)
		}, approval.CodeImageNotSigned, -1},
		"a push and its revert": {func(s *setting) {
			bad(s)
			push(s.line(), 1, moves(file, "v2", "v1"))
			push(s.line(), 2, moves(file, "v1", "v2"))
		}, approval.CodeImageNotSigned, -1},
		"a push to the baseline does not clear": {func(s *setting) {
			bad(s)
			push(s.line(), 1, moves(file, "v2", "v1"))
		}, approval.CodeImageNotSigned, -1},
		"a commit that only git knows of": {func(s *setting) {
			s.pull().Signatures = append(s.pull().Signatures, unsigned)
		}, approval.CodeSignatureMissing, -1},
		"update merges of nothing": {func(s *setting) {
			s.pull().Contributors = append(s.pull().Contributors, approval.Contributor{User: new(person("renovate[bot]")), Role: "author", Commit: oldHeadOf(10)})
			s.pull().Signatures = []approval.CommitSignature{
				{Commit: s.pull().Head, State: approval.SignatureNeutral}, {Commit: oldHeadOf(10), State: approval.SignatureNeutral},
			}
		}, approval.CodeSignatureUnknown, -1},
		"signatures of another head": {func(s *setting) {
			s.pull().Signatures[0].Commit = oldHeadOf(10)
		}, approval.CodeSignatureUnknown, -1},
		"no commit at all": {func(s *setting) {
			s.pull().Contributors, s.pull().Signatures = nil, nil
		}, approval.CodeSignatureUnknown, -1},
		"a digest in upper case": {func(s *setting) {
			s.Images[1].Digest = "SHA256:" + s.Images[1].Digest[7:]
		}, approval.CodeImageTagMoved, -1},
		"another tag beside the digest": {func(s *setting) {
			s.landing().Changes[0].Images.Moves[0].To.Tag = "v9"
		}, approval.CodeImageUnverified, -1},
		"evidence of a tag for a digest": {func(s *setting) {
			s.Images[1].Image.Digest = ""
		}, approval.CodeImageUnverified, -1},
		"evidence of nothing": {func(s *setting) {
			s.landing().Changes[0].Images.Moves[0].To = approval.Image{}
			s.Images[1].Image = approval.Image{}
		}, approval.CodeImageUnseen, -1},
		"one person for both quorums": {func(s *setting) {
			s.DistinctApprovers = true
			s.Directory.Teams[0].Members = append(s.Directory.Teams[0].Members, person("rita"))
			s.landing().Changes[0] = brings(file, "v1", "v2", image("v2"))
			approve(s.pull(), "alice")
		}, approval.CodeQuorumMissing, -1},
		"a config quorum for other paths": {func(s *setting) {
			s.Config.Requirements[0].Paths = []string{"apps/stage/**"}
			s.landing().Changes[0] = brings(file, "v1", "v2", image("v2"))
			approve(s.pull(), "alice", "bob")
		}, approval.CodePolicyEmpty, -1},
		"the image in one file, the setting in another, by the image quorum": {func(s *setting) {
			land(s.line(), s.bumpless("rita"), moves(file, "v2", "v3"), config("apps/prod/api.yaml", "a", "b"))
		}, approval.CodeQuorumMissing, 0},
		"the key holder approves what another signed with the key": {func(s *setting) {
			s.pull().Reviews = nil
			approve(s.pull(), "keeper")
		}, approval.CodeQuorumMissing, -1},
		"GitHub's word for a signer with keys": {func(s *setting) {
			s.Image.Signers = append(s.Image.Signers, approval.Signer{Name: "gh", Users: []string{"keeper"}, GitHubTrusted: true})
			s.pull().Signatures[0].Signer = "gh"
		}, approval.CodeSignatureStranger, -1},
		"first digests without keys": {func(s *setting) {
			s.Image.Verify = nil
			s.Images[1].First, s.Images[1].Digest = image("v1").Digest, image("v3").Digest
		}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := imaged()
			c.change(s)
			d := s.decide()
			requireSound(t, s, d)
			want := approval.SHA(baseline)
			if c.target >= 0 {
				want = s.line().Landings[c.target].Commit
			}
			require.Equal(t, want, d.Lines[0].Target, "%v", texts(d.Findings))
			if c.want != "" {
				require.Contains(t, codes(d.Findings), c.want, "%v", texts(d.Findings))
			}
		})
	}
}

// bumpless is a signed and approved pull request that has not landed.
func (s *setting) bumpless(approver string) *approval.PullRequest {
	pr := pull(10+len(s.line().Landings), "renovate[bot]")
	sign(pr, "renovate")
	approve(pr, approver)
	return pr
}
