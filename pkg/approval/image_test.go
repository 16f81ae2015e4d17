package approval_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const hour = time.Hour

// image is version n of the image of web.
func image(n string) approval.Image {
	return approval.Image{Repository: "ghcr.io/acme/web", Tag: n, Digest: "sha256:" + strings.Repeat(n[len(n)-1:], 64)}
}

// moves is a change that moves the image of a file and does nothing else.
func moves(path, from, to string) approval.Change {
	c := change(path, from, to)
	c.Images = &approval.ImageChange{Only: true, Moves: []approval.ImageMove{{Place: "0 image", From: image(from), To: image(to)}}, Takes: []approval.Image{image(from)}}
	return c
}

// config is a change that has nothing to do with images.
func config(path, before, after string) approval.Change {
	c := change(path, before, after)
	c.Images = &approval.ImageChange{Why: "it changes at replicas"}
	return c
}

// sign says that a pull request's commits are signed.
func sign(pr *approval.PullRequest, signer string) {
	seen := map[approval.SHA]bool{}
	for _, c := range pr.Contributors {
		if !seen[c.Commit] {
			seen[c.Commit] = true
			pr.Signatures = append(pr.Signatures, approval.CommitSignature{Commit: c.Commit, State: approval.SignatureTrusted, Signer: signer})
		}
	}
}

// know adds evidence of an image that is as it should be.
func (s *setting) know(versions ...string) {
	for _, v := range versions {
		s.Images = append(s.Images, approval.ImageEvidence{
			Image: image(v), Digest: image(v).Digest, First: image(v).Digest, Signed: approval.ImageSignedYes,
			Soak: &approval.Soak{Application: "argocd/web-stage", State: approval.SoakProven, Ran: hour},
		})
	}
}

// imaged is a setting whose gate has an image quorum with everything there is, and
// whose line is one move of an image, approved.
func imaged() *setting {
	s := approved()
	s.Lines = []approval.Line{deployLine()}
	s.Image = &approval.ImagePolicy{
		Requirements: []approval.Requirement{{Name: "release", Approvals: 1, Teams: []approval.TeamName{"acme/release"}}},
		Signers:      []approval.Signer{{Name: "renovate", Users: []string{"keeper"}}},
		Downgrade:    approval.HandleEscalate, MutableTag: approval.HandleRefuse, RequireDigest: true,
		Verify:   []approval.ImageKeys{{Name: "build", Repositories: []string{"ghcr.io/acme/**"}}},
		ProvenIn: &approval.ProvenIn{Application: "{{ .Service }}-stage", Soak: hour},
	}
	s.Directory.Teams = append(s.Directory.Teams, approval.Team{Name: "acme/release", Members: []approval.User{person("rita"), person("remo"), person("keeper")}})
	s.Directory.Users = append(s.Directory.Users, person("keeper"))
	s.grant("write", "rita", "remo", "keeper")
	s.bump("rita", moves("apps/prod/web.yaml", "v1", "v2"))
	s.know("v1", "v2", "v3")
	return s
}

// bump lands a signed pull request, approved by one person.
func (s *setting) bump(approver string, changes ...approval.Change) *approval.PullRequest {
	pr := pull(10+len(s.line().Landings), "renovate[bot]")
	sign(pr, "renovate")
	if approver != "" {
		approve(pr, approver)
	}
	land(s.line(), pr, changes...)
	return pr
}

func TestImages(t *testing.T) {
	move := func(s *setting) *approval.ImageMove { return &s.landing().Changes[0].Images.Moves[0] }
	known := func(s *setting) *approval.ImageEvidence { return &s.Images[1] }
	for name, c := range map[string]struct {
		change func(s *setting)
		want   approval.Code // of the landing; empty when it is allowed
		class  approval.ChangeClass
	}{
		"approved":            {func(*setting) {}, "", "image"},
		"config people alone": {func(s *setting) { s.pull().Reviews = nil; approve(s.pull(), "alice", "bob") }, approval.CodeQuorumMissing, "image"},
		"nobody":              {func(s *setting) { s.pull().Reviews = nil }, approval.CodeQuorumMissing, "image"},
		"the holder of a key": {func(s *setting) { s.pull().Reviews = nil; approve(s.pull(), "keeper") }, approval.CodeQuorumMissing, "image"},
		"no image quorum":     {func(s *setting) { s.Image = nil }, approval.CodeQuorumMissing, "config"},
		"not looked at":       {func(s *setting) { s.landing().Changes[0].Images = nil }, approval.CodeImageUnknown, "mixed"},
		"one line more": {func(s *setting) {
			s.landing().Changes[0].Images = &approval.ImageChange{Touches: true, Why: "replicas"}
		}, approval.CodeQuorumMissing, "mixed"},
		"only, but touches":    {func(s *setting) { s.landing().Changes[0].Images.Touches = true }, approval.CodeQuorumMissing, "mixed"},
		"only, without a move": {func(s *setting) { s.landing().Changes[0].Images.Moves = nil }, approval.CodeQuorumMissing, "mixed"},
		"config alone":         {func(s *setting) { s.landing().Changes[0] = config("apps/prod/web.yaml", "v1", "v2") }, approval.CodeQuorumMissing, "config"},
		"not signed":           {func(s *setting) { s.pull().Signatures[0].State = approval.SignatureMissing }, approval.CodeSignatureMissing, "image"},
		"a stranger":           {func(s *setting) { s.pull().Signatures[0].State = approval.SignatureStranger }, approval.CodeSignatureStranger, "image"},
		"another gate's":       {func(s *setting) { s.pull().Signatures[0].Signer = "else" }, approval.CodeSignatureStranger, "image"},
		"broken":               {func(s *setting) { s.pull().Signatures[0].State = approval.SignatureInvalid }, approval.CodeSignatureInvalid, "image"},
		"not verified":         {func(s *setting) { s.pull().Signatures[0].State = "" }, approval.CodeSignatureUnknown, "image"},
		"nothing verified":     {func(s *setting) { s.pull().Signatures = nil }, approval.CodeSignatureUnknown, "image"},
		"another's signature":  {func(s *setting) { s.pull().Signatures[0].Commit = oldHeadOf(10) }, approval.CodeSignatureUnknown, "image"},
		"two signatures":       {func(s *setting) { sign(s.pull(), "renovate") }, approval.CodeSignatureUnknown, "image"},
		"neutral alone":        {func(s *setting) { s.pull().Signatures[0].State = approval.SignatureNeutral }, approval.CodeSignatureUnknown, "image"},
		"one of two commits": {func(s *setting) {
			s.pull().Contributors = append(s.pull().Contributors, approval.Contributor{User: new(person("renovate[bot]")), Role: "author", Commit: oldHeadOf(10)})
		}, approval.CodeSignatureUnknown, "image"},
		"an update merge": {func(s *setting) {
			s.pull().Contributors = append(s.pull().Contributors, approval.Contributor{User: new(person("renovate[bot]")), Role: "author", Commit: oldHeadOf(10)})
			s.pull().Signatures = append(s.pull().Signatures, approval.CommitSignature{Commit: oldHeadOf(10), State: approval.SignatureTrusted, Signer: "renovate"})
			s.pull().Signatures[0].State = approval.SignatureNeutral
		}, "", "image"},
		"unknown holder": {func(s *setting) { s.Directory.Users = s.Directory.Users[:1] }, approval.CodeQuorumPeople, "image"},
		"GitHub's word": {func(s *setting) {
			s.Image.Signers[0].GitHubTrusted, s.pull().Signatures[0].User = true, new(person("keeper"))
		}, "", "image"},
		"GitHub names another": {func(s *setting) {
			s.Image.Signers[0].GitHubTrusted, s.pull().Signatures[0].User = true, new(person("mallory"))
		}, approval.CodeSignatureStranger, "image"},
		"GitHub names nobody":    {func(s *setting) { s.Image.Signers[0].GitHubTrusted = true }, approval.CodeSignatureStranger, "image"},
		"signed by the approver": {func(s *setting) { s.pull().Signatures[0].User = new(person("rita")) }, approval.CodeQuorumMissing, "image"},
		"back, by one quorum":    {func(s *setting) { move(s).Downgrade = true }, approval.CodeQuorumMissing, "mixed"},
		"back, by both":          {func(s *setting) { move(s).Downgrade = true; approve(s.pull(), "alice", "bob") }, "", "mixed"},
		"back, refused": {func(s *setting) {
			move(s).Downgrade, s.Image.Downgrade = true, approval.HandleRefuse
			approve(s.pull(), "alice", "bob")
		}, approval.CodeImageDowngrade, "mixed"},
		"back, welcome":    {func(s *setting) { move(s).Downgrade, s.Image.Downgrade = true, approval.HandleAllow }, "", "image"},
		"mutable, refused": {func(s *setting) { move(s).Mutable = true; approve(s.pull(), "alice", "bob") }, approval.CodeImageMutable, "mixed"},
		"mutable, by both": {func(s *setting) {
			move(s).Mutable, s.Image.MutableTag = true, approval.HandleEscalate
			approve(s.pull(), "alice", "bob")
		}, "", "mixed"},
		"mutable, welcome":      {func(s *setting) { move(s).Mutable, s.Image.MutableTag = true, approval.HandleAllow }, "", "image"},
		"no digest":             {func(s *setting) { move(s).To.Digest = "" }, approval.CodeImageNoDigest, "image"},
		"of no repository":      {func(s *setting) { move(s).To.Repository = "" }, approval.CodeImageRepository, "image"},
		"of another repository": {func(s *setting) { move(s).To.Repository = "ghcr.io/evil/web" }, approval.CodeImageNoKey, "image"},
		"no evidence":           {func(s *setting) { s.Images = nil }, approval.CodeImageUnverified, "image"},
		"evidence twice":        {func(s *setting) { s.know("v2") }, approval.CodeImageUnverified, "image"},
		"evidence of another":   {func(s *setting) { s.Images = s.Images[:1] }, approval.CodeImageUnverified, "image"},
		"gone":                  {func(s *setting) { known(s).Digest = "" }, approval.CodeImageUnverified, "image"},
		"another digest":        {func(s *setting) { known(s).Digest = image("v3").Digest }, approval.CodeImageTagMoved, "image"},
		"a tag that moved": {func(s *setting) {
			s.Image.RequireDigest, move(s).To.Digest, known(s).Image.Digest, known(s).First = false, "", "", image("v3").Digest
		}, approval.CodeImageTagMoved, "image"},
		"a tag that stayed": {func(s *setting) {
			s.Image.RequireDigest, move(s).To.Digest, known(s).Image.Digest = false, "", ""
		}, "", "image"},
		"a tag never seen before": {func(s *setting) {
			s.Image.RequireDigest, move(s).To.Digest, known(s).Image.Digest, known(s).First = false, "", "", ""
		}, approval.CodeImageUnverified, "image"},
		"image not signed":      {func(s *setting) { known(s).Signed = approval.ImageSignedNo }, approval.CodeImageNotSigned, "image"},
		"image not verified":    {func(s *setting) { known(s).Signed = "" }, approval.CodeImageUnverified, "image"},
		"keys of nothing":       {func(s *setting) { s.Image.Verify = nil; known(s).Signed = "" }, "", "image"},
		"soaking":               {func(s *setting) { known(s).Soak.State, known(s).Soak.Ran = approval.SoakRunning, hour/5 }, approval.CodeImageSoaking, "image"},
		"not running":           {func(s *setting) { known(s).Soak.State = approval.SoakNot }, approval.CodeImageNotProven, "image"},
		"proven for too short":  {func(s *setting) { known(s).Soak.Ran = hour - 1 }, approval.CodeImageSoakUnknown, "image"},
		"soak not known":        {func(s *setting) { known(s).Soak = nil }, approval.CodeImageSoakUnknown, "image"},
		"nowhere to soak":       {func(s *setting) { s.Image.ProvenIn = nil; known(s).Soak = nil }, "", "image"},
		"an empty image policy": {func(s *setting) { s.Image = &approval.ImagePolicy{} }, "policy", "image"},
		"no signer":             {func(s *setting) { s.Image.Signers = nil }, "policy", "image"},
		"a signer twice":        {func(s *setting) { s.Image.Signers = append(s.Image.Signers, s.Image.Signers[0]) }, "policy", "image"},
		"an unknown handling":   {func(s *setting) { s.Image.Downgrade = "maybe" }, "policy", "image"},
		"keys for anything":     {func(s *setting) { s.Image.Verify[0].Repositories = nil }, "policy", "image"},
		"no time to soak":       {func(s *setting) { s.Image.ProvenIn.Soak = 0 }, "policy", "image"},
		"everybody releases":    {func(s *setting) { s.Image.Requirements[0].Teams = nil }, "policy", "image"},
	} {
		t.Run(name, func(t *testing.T) {
			s := imaged()
			c.change(s)
			d := s.decide()
			requireSound(t, s, d)
			if c.want == "policy" {
				require.False(t, d.Allowed())
				require.Contains(t, codes(d.Findings), approval.CodePolicyEmpty)
				return
			}
			require.Equal(t, c.class, d.Lines[0].Landings[0].Class)
			if c.want == "" {
				require.True(t, d.Allowed() && d.Advances, "%v", texts(d.Findings))
				return
			}
			require.False(t, d.Advances)
			require.NotEqual(t, approval.Allowed, d.Lines[0].Landings[0].Verdict)
			require.Contains(t, codes(d.Findings), c.want, "%v", texts(d.Findings))
			require.Equal(t, c.want, d.Findings[0].Code, "%v", texts(d.Findings))
			require.NotEmpty(t, d.Findings[0].Text)
			pr := s.judge(s.pull())
			if c.want == approval.CodeImageSoaking || c.want == approval.CodeImageNotProven || c.want == approval.CodeImageSoakUnknown {
				return // differs between Applications, and is told for each
			}
			require.NotEqual(t, approval.Allowed, pr.Finding.Verdict, "the report must say so before it lands")
		})
	}
}

// TestImagesMoveOn: what speaks against an image is cleared when the image moves on;
// what speaks against a change is not.
func TestImagesMoveOn(t *testing.T) {
	web := func(from, to string) approval.Change { return moves("apps/prod/web.yaml", from, to) }
	for name, c := range map[string]struct {
		change func(s *setting)
		target int // index of the landing, -1 for the baseline
	}{
		"to a good one": {func(s *setting) { s.bump("rita", web("v2", "v3")) }, 1},
		"to a worse one": {func(s *setting) {
			s.bump("rita", web("v2", "v3"))
			s.Images[2].Signed = approval.ImageSignedNo
		}, -1},
		"without an approval":  {func(s *setting) { s.bump("", web("v2", "v3")) }, -1},
		"back to the baseline": {func(s *setting) { s.bump("rita", web("v2", "v1")) }, 1},
		"another image alone":  {func(s *setting) { s.bump("rita", moves("apps/prod/api.yaml", "v1", "v3")) }, -1},
		"another place of the file": {func(s *setting) {
			c := web("v2", "v3")
			c.Images.Moves[0].Place, c.Images.Takes = "0 sidecar.image", nil
			s.bump("rita", c)
		}, -1},
		"away": {func(s *setting) {
			pr := pull(30, "dave")
			approve(pr, "alice", "bob")
			land(s.line(), pr, config("apps/prod/web.yaml", "v2", "-"))
		}, 1},
		"by a push that is undone": {func(s *setting) {
			push(s.line(), 1, web("v2", "v3"))
			push(s.line(), 2, web("v3", "v2"))
		}, -1},
		"by a change of configuration": {func(s *setting) {
			pr := pull(30, "dave")
			approve(pr, "alice", "bob")
			land(s.line(), pr, config("apps/prod/web.yaml", "v2", "v4"))
		}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			for _, doubt := range []func(*setting){
				func(s *setting) { s.Images[1].Signed = approval.ImageSignedNo },
				func(s *setting) { s.Images[1].Signed = "" },
				func(s *setting) { s.Images[1].Soak.State = approval.SoakNot },
			} {
				s := imaged()
				doubt(s)
				c.change(s)
				d := s.decide()
				requireSound(t, s, d)
				want := approval.SHA(baseline)
				if c.target >= 0 {
					want = s.line().Landings[c.target].Commit
				}
				require.Equal(t, want, d.Lines[0].Target, "%v", texts(d.Findings))
			}
			s := imaged()
			s.Image.ProvenIn, s.Image.Verify = nil, nil
			s.pull().Signatures[0].State = approval.SignatureMissing
			s.bump("rita", web("v2", "v3"))
			require.False(t, s.decide().Advances, "an unsigned change stays unsigned")
		})
	}
}

// imageMayBeBlank are the values of an allowed image change without which it is
// still allowed.
var imageMayBeBlank = map[string]string{
	"Policy.Image.ProvenIn":                                             "the gate asks for less",
	"Policy.Image.Verify":                                               "the gate asks for less",
	"Policy.Image.RequireDigest":                                        "the gate asks for less",
	"Policy.Image.Signers[].Users":                                      "those who approved hold no key",
	"Policy.Image.Requirements[].Name":                                  "for people",
	"Facts.Images[].First":                                              "the file has a digest, which is compared instead",
	"Facts.Lines[].Landings[].Changes[].Images.Moves[].Place":           "one image alone moves",
	"Facts.Lines[].Landings[].Changes[].Images.Takes":                   "what speaks against what was there stays",
	"Facts.Lines[].Landings[].Changes[].Images.Takes[]":                 "what speaks against what was there stays",
	"Facts.Lines[].Landings[].Changes[].Images.Takes[].Repository":      "what speaks against what was there stays",
	"Facts.Lines[].Landings[].Changes[].Images.Takes[].Tag":             "what speaks against what was there stays",
	"Facts.Lines[].Landings[].Changes[].Images.Takes[].Digest":          "what speaks against what was there stays",
	"Facts.Lines[].Landings[].Changes[].Images.Moves[].From":            "for people",
	"Facts.Lines[].Landings[].Changes[].Images.Moves[].From.Repository": "for people",
	"Facts.Lines[].Landings[].Changes[].Images.Moves[].From.Tag":        "for people",
	"Facts.Lines[].Landings[].Changes[].Images.Moves[].From.Digest":     "for people",
}

// TestBlankImageValues: whatever else is forgotten about images blocks.
func TestBlankImageValues(t *testing.T) {
	s := imaged()
	s.Images = s.Images[1:2]
	s.Closure = s.closure()
	require.True(t, s.decide().Advances)
	found := map[string]bool{}
	eachBlank(s, func(path string) {
		if strings.Contains(path, "Image") || strings.Contains(path, "Signature") {
			found[path] = found[path] || approval.Explain(s.Policy, s.Facts).Advances
		}
	})
	requireListed(t, imageMayBeBlank, found)
}

// texts are the texts of findings, for messages.
func texts(findings []approval.Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, string(f.Verdict)+" "+string(f.Code)+": "+f.Text)
		out = append(out, texts(f.Children)...)
	}
	return out
}
