package approval_test

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Whoever chooses an e-mail address, a path, a login, a title or the text of an
// error must not be able to write a finding of their own, or to hide one.
func TestTextFromOutsideStaysInItsLine(t *testing.T) {
	// A terminal sequence, a line of its own in four ways, text that runs
	// backwards, letters that are not seen, and bytes that are no text.
	const evil = "\x1b[2Jx\n✓ approved\r\u2028y\u2029\u0085\u202egnp\u200b\u00ad\xff"
	tests := map[string]func(s *setting){
		"e-mail": func(s *setting) {
			s.pull().Contributors = append(s.pull().Contributors, approval.Contributor{Email: evil, Role: "author", Commit: headOf(7)})
		},
		"role": func(s *setting) {
			s.pull().Contributors = append(s.pull().Contributors, approval.Contributor{Email: "a@example.com", Role: evil, Commit: headOf(7)})
		},
		"path that does not fit": func(s *setting) {
			land(s.line(), pull(8, "dave"), change("apps/prod/"+evil, "v1", "v2"))
			land(s.line(), pull(9, "dave"), change("apps/prod/"+evil, "v1", "v2"))
		},
		"path on untrusted content": func(s *setting) {
			push(s.line(), 1, change("apps/prod/"+evil, "v1", "v2"))
			merged(8, change("apps/prod/"+evil, "v2", "v3"))(s.line())
		},
		"read":            func(s *setting) { s.Application.Sources[0].Reads[0].Path = evil },
		"read repository": func(s *setting) { s.Application.Sources[0].Reads[0].Repository = evil },
		"source":          func(s *setting) { s.Application.Sources[0].RepoURL, s.Application.Sources[0].Repository = evil, "" },
		"chart": func(s *setting) {
			s.Application.Sources[0].RepoURL, s.Application.Sources[0].Kind = evil, approval.SourceHelm
		},
		"target revision": func(s *setting) { s.Application.Sources[0].TargetRevision = evil },
		"unsupported":     func(s *setting) { s.Application.Unsupported = []string{evil} },
		"changed field":   func(s *setting) { s.ApprovedSpec = true; s.Spec = &approval.SpecEvidence{Changed: []string{evil}} },
		"approver of a spec": func(s *setting) {
			s.ApprovedSpec = true
			s.Spec = &approval.SpecEvidence{Changed: []string{"x"}, By: evil}
		},
		"adopter": func(s *setting) { *s = *adopted(); s.Spec.By = evil },
		"committer": func(s *setting) {
			s.ApprovedSpec = true
			s.Spec = &approval.SpecEvidence{Approved: approval.SpecCommitted, By: evil}
		},
		"origin":  func(s *setting) { s.ApprovedSpec = true; s.Spec = &approval.SpecEvidence{Origin: evil} },
		"parent":  func(s *setting) { s.ApprovedSpec = true; s.Spec = &approval.SpecEvidence{Parent: evil} },
		"missing": func(s *setting) { s.Missing = []approval.Missing{{What: evil, Why: evil}} },
		"proof": func(s *setting) {
			s.landing().Proof = approval.Proof{Result: approval.Mismatch, Detail: evil}
		},
		"unsettled": func(s *setting) { s.landing().Unsettled = evil },
		"title":     func(s *setting) { s.pull().Title = evil },
		"subject":   func(s *setting) { push(s.line(), 1, change(web, "v2", "v3")).Title = evil },
		"approver":  func(s *setting) { s.pull().Reviews[0].User.Login = evil },
		"member": func(s *setting) {
			s.Directory.Teams[0].Members[1].Login, s.pull().Reviews = evil, s.pull().Reviews[:1]
		},
		"objector": func(s *setting) {
			s.pull().Reviews[0].User.Login, s.pull().Reviews[0].State = evil, approval.ReviewChangesRequested
		},
		"outsider": func(s *setting) {
			s.pull().Reviews[0].User = &approval.User{ID: 666, Login: evil, Type: approval.UserTypePerson}
		},
		"review without a time": func(s *setting) {
			r := review(s.pull(), "carol", approval.ReviewApproved)
			r.User.Login, r.SubmittedAt = evil, time.Time{}
			s.pull().Reviews = append(s.pull().Reviews, r)
		},
		"review state": func(s *setting) { s.pull().Reviews[0].State = evil },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			s := approved()
			change(s)
			found := false
			var check func(findings []approval.Finding)
			check = func(findings []approval.Finding) {
				for _, f := range findings {
					for _, text := range []string{f.Text, f.Remedy} {
						found = found || strings.Contains(text, "✓ approved")
						for _, r := range text {
							require.False(t, unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp), "%U in %q", r, text)
						}
						require.Equal(t, strings.ToValidUTF8(text, ""), text)
					}
					check(f.Children)
				}
			}
			check(s.decide().Findings)
			require.True(t, found, "the text is shown, so that it can be looked into: %s", render(s.decide()))
		})
	}
}
