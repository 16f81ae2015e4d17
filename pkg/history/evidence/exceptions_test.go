package evidence_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/evidence"
)

// TestExceptions: what an auditor wants explained is among the exceptions, what rests on a
// quorum is not.
func TestExceptions(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		write func(w *world)
		// kinds are those of all exceptions, in the order of the record.
		kinds []string
		// text is in that of the first one.
		text string
		// grounds are those of the deployments.
		grounds []string
	}{
		"approved": {
			func(w *world) { w.lands(nil); w.deploys(shop, 0, 1) }, nil, "", []string{"quorum"},
		},
		"approved, failed": {
			func(w *world) {
				w.lands(nil)
				w.ends(shop, w.intends(shop, 0, 1, edits{}), 1, history.ResultFailed)
			}, nil, "", []string{"quorum"},
		},
		"approved, something else deployed": {
			func(w *world) {
				w.lands(nil)
				w.ends(shop, w.intends(shop, 0, 1, edits{}), 9, history.ResultMismatch)
			}, []string{evidence.ExceptionMismatch}, "deployed " + string(sha(9)) + ", and not what was let through, " + string(sha(1)), []string{"unknown"},
		},
		"break-glass, something else deployed": {
			func(w *world) {
				w.lands(unapproved)
				w.at = from().AddDate(0, -1, 0)
				w.breaks(shop, "g", 1)
				w.at = from()
				intent := w.intends(shop, 0, 1, edits{
					decision: func(d *approval.Decision) { d.Override = "g" }, intent: func(i *history.IntentPayload) { i.Act = "g" },
				})
				w.ends(shop, intent, 9, history.ResultMismatch)
			}, []string{evidence.ExceptionMismatch, evidence.ExceptionOverridden}, "deployed " + string(sha(9)), []string{"break-glass"},
		},
		"a person syncs what was trusted": {
			func(w *world) {
				w.ends(shop, w.intends(shop, 0, 0, edits{
					decision: func(d *approval.Decision) { d.Verdict, d.Candidate = approval.Blocked, approval.Candidate{} },
					intent: func(i *history.IntentPayload) {
						i.Candidate, i.Admitted = candidate(shop, 0), &history.Admission{User: "erin"}
					},
				}), 0, history.ResultSucceeded)
			}, nil, "", []string{"trusted before"},
		},
		"unapproved without an order": {
			func(w *world) { w.lands(unapproved); w.deploys(shop, 0, 1) },
			[]string{evidence.ExceptionUnapproved}, "without quorum: acme/env#1", []string{"unknown"},
		},
		"a direct push without an order": {
			func(w *world) { w.lands(direct); w.deploys(shop, 0, 1) },
			[]string{evidence.ExceptionUnapproved}, "without quorum: commit " + string(sha(1)), []string{"unknown"},
		},
		"unapproved, and undone before it was deployed": {
			func(w *world) {
				w.lands(func(l *approval.Landing, d *approval.LandingDecision) { direct(l, d); d.Undone = true })
				w.lands(nil)
				w.deploys(shop, 0, 2)
			}, nil, "", []string{"quorum"},
		},
		"break-glass": {
			func(w *world) {
				w.lands(unapproved)
				w.breaks(shop, "g", 1)
				w.overrides(shop, "g", 0, 1, history.ResultSucceeded)
				w.reviews(shop, "g", "carol")
			}, []string{evidence.ExceptionBreakGlass, evidence.ExceptionOverridden},
			"used: entry 4; reviewed by carol at 2026-01-01 12:00:00Z (entry 5): looked at it: fine", []string{"break-glass"},
		},
		"break-glass that failed": {
			func(w *world) {
				w.lands(unapproved)
				w.at = from().Add(-time.Hour)
				w.breaks(shop, "g", 1)
				w.reviews(shop, "g", "carol")
				w.overrides(shop, "g", 0, 1, history.ResultFailed)
			}, []string{evidence.ExceptionOverridden}, "without quorum: acme/env#1; the sync failed, and may have applied a part", []string{"break-glass"},
		},
		"break-glass through a hold, all approved": {
			func(w *world) {
				w.lands(nil)
				w.breaks(shop, "g", 1)
				w.reviews(shop, "g", "carol")
				w.overrides(shop, "g", 0, 1, history.ResultSucceeded)
			}, []string{evidence.ExceptionBreakGlass, evidence.ExceptionOverridden}, "used: entry 5", []string{"break-glass"},
		},
		"break-glass not used": {
			func(w *world) { w.breaks(shop, "g", 1); w.reviews(shop, "g", "carol") }, []string{evidence.ExceptionBreakGlass}, "not used", nil,
		},
		"break-glass used for another candidate": {
			func(w *world) {
				w.lands(nil)
				w.lands(nil)
				w.at = from().AddDate(0, -1, 0)
				w.breaks(shop, "g", 1)
				w.at = from()
				w.overrides(shop, "g", 0, 2, history.ResultSucceeded)
			}, []string{evidence.ExceptionUnapproved}, "does not tell", []string{"unknown"},
		},
		"an order that is not on record": {
			func(w *world) {
				w.lands(nil)
				w.ends(shop, w.intends(shop, 0, 1, edits{intent: func(i *history.IntentPayload) { i.Act = "nothing" }}), 1, history.ResultSucceeded)
			}, []string{evidence.ExceptionUnapproved}, "does not tell", []string{"unknown"},
		},
		"break-glass never reviewed": {
			func(w *world) { w.breaks(shop, "g", 1) },
			[]string{evidence.ExceptionBreakGlass, evidence.ExceptionMissedReview}, "not used; to be reviewed until 2026-01-03 09:00:00Z", nil,
		},
		"break-glass reviewed by who broke it": {
			func(w *world) { w.breaks(shop, "g", 1); w.reviews(shop, "g", "@Alice") },
			[]string{evidence.ExceptionBreakGlass, evidence.ExceptionMissedReview}, "not reviewed by @Alice", nil,
		},
		"break-glass reviewed late": {
			func(w *world) { w.breaks(shop, "g", 1); w.at = w.at.AddDate(0, 0, 5); w.reviews(shop, "g", "carol") },
			[]string{evidence.ExceptionBreakGlass, evidence.ExceptionMissedReview}, "reviewed by carol", nil,
		},
		"break-glass reviewed at the deadline": {
			func(w *world) {
				w.breaks(shop, "g", 1)
				w.at = from().Add(57 * time.Hour)
				w.reviews(shop, "g", "carol")
			},
			[]string{evidence.ExceptionBreakGlass}, "reviewed by carol", nil,
		},
		"broken before the time, deadline within": {
			func(w *world) { w.at = from().Add(-47 * time.Hour); w.breaks(shop, "g", 1) },
			[]string{evidence.ExceptionMissedReview}, "not reviewed by somebody else until 2026-01-01 01:00:00Z", nil,
		},
		"broken within, deadline at the end": {
			func(w *world) { w.at = to().Add(-48 * time.Hour); w.breaks(shop, "g", 1) },
			[]string{evidence.ExceptionBreakGlass}, "to be reviewed until 2026-04-01 00:00:00Z", nil,
		},
		"broken before, deadline before": {
			func(w *world) { w.at = from().AddDate(0, 0, -9); w.breaks(shop, "g", 1) }, nil, "", nil,
		},
		"broken within, reviewed after the time": {
			func(w *world) {
				w.at = to().Add(-time.Hour)
				w.breaks(shop, "g", 1)
				w.at = to().Add(time.Hour)
				w.reviews(shop, "g", "carol")
			}, []string{evidence.ExceptionBreakGlass}, "reviewed by carol at 2026-04-01 01:00:00Z", nil,
		},
		"ungated": {
			func(w *world) { w.observes(shop, 5, nil) }, []string{evidence.ExceptionUngated}, "synced " + string(sha(5)) + " without the gate", []string{"ungated"},
		},
		"ungated, approved all the same, seen late": {
			func(w *world) {
				w.lands(nil)
				w.deploys(shop, 0, 1)
				w.observes(shop, 1, func(o *history.ObservedPayload) { o.Late, o.Covers = true, 1 })
			}, []string{evidence.ExceptionUngated}, "entry 1 allows or trusts that revision all the same; found afterwards", []string{"quorum", "ungated"},
		},
		"ungated, failed": {
			func(w *world) {
				w.observes(shop, 5, func(o *history.ObservedPayload) { o.Phase, o.Revisions = "Failed", nil })
			},
			[]string{evidence.ExceptionUngated}, "may have applied a part", []string{"ungated"},
		},
		"ungated, partial": {
			func(w *world) { w.observes(shop, 5, func(o *history.ObservedPayload) { o.Partial = true }) },
			[]string{evidence.ExceptionUngated}, "some resources were synced alone", []string{"ungated"},
		},
		"there before the gate": {
			func(w *world) { w.observes(shop, 5, func(o *history.ObservedPayload) { o.Before = true }) },
			[]string{evidence.ExceptionFirstSight}, "was there when the gate saw the Application for the first time", []string{"before the gate"},
		},
		"deleted and made anew": {
			func(w *world) {
				w.lands(nil)
				w.deploys(shop, 0, 1)
				anew := shop
				anew.uid = "another"
				w.observes(anew, 5, func(o *history.ObservedPayload) { o.Before = true })
			}, []string{evidence.ExceptionFirstSight}, "there was an Application of this name before", []string{"quorum", "before the gate"},
		},
		"rollback": {
			func(w *world) {
				w.lands(nil)
				w.lands(nil)
				w.deploys(shop, 0, 1)
				w.deploys(shop, 1, 2)
				w.rollsBack(shop, "i-1", 2, 1)
			}, []string{evidence.ExceptionRollback}, "went back to " + string(sha(1)) + ", deployment #1, by order", []string{"quorum", "quorum", "rollback"},
		},
		"rollback in Argo CD": {
			func(w *world) {
				w.lands(nil)
				w.lands(nil)
				w.deploys(shop, 0, 1)
				w.deploys(shop, 1, 2)
				w.ends(shop, w.intends(shop, 2, 1, edits{intent: func(i *history.IntentPayload) {
					i.Admitted = &history.Admission{User: "erin", Rollback: true}
				}}), 1, history.ResultSucceeded)
			}, []string{evidence.ExceptionRollback}, "deployment #1", []string{"quorum", "quorum", "rollback"},
		},
		"no outcome": {
			func(w *world) { w.lands(nil); w.intends(shop, 0, 1, edits{}) }, []string{evidence.ExceptionUnsettled}, "up to entry 2 nothing tells", nil,
		},
		"abandoned": {
			func(w *world) {
				w.lands(nil)
				w.append(shop, history.AbandonedPayload{Intent: w.intends(shop, 0, 1, edits{}), Reason: "not sent"})
			}, nil, "", nil,
		},
		"adopted": {
			func(w *world) {
				w.orders(shop, history.VerbAdopt, func(p *history.ActPayload) { p.SpecDigest = "abc" })
			},
			[]string{evidence.ExceptionAdopted}, "the digest abc", nil,
		},
		"permits": {
			func(w *world) {
				for _, what := range []string{history.PermitLeave, history.PermitDelete} {
					w.orders(shop, history.VerbPermit, func(p *history.ActPayload) { p.Permit, p.Expires = what, w.at.Add(time.Hour) })
				}
			}, []string{evidence.ExceptionPermit, evidence.ExceptionPermit}, "leave the gate's protection until 2026-01-01 10:00:00Z", nil,
		},
		"a sync that somebody asked for": {
			func(w *world) {
				w.lands(nil)
				w.orders(shop, history.VerbSync, func(p *history.ActPayload) {
					c := candidate(shop, 1)
					p.ID, p.Candidate, p.Expires = "s", &c, w.at.Add(time.Hour)
				})
				w.ends(shop, w.intends(shop, 0, 1, edits{
					decision: func(d *approval.Decision) { d.Asked = "s" }, intent: func(i *history.IntentPayload) { i.Asked = "s" },
				}), 1, history.ResultSucceeded)
			}, nil, "", []string{"quorum"},
		},
		"holds": {
			func(w *world) { w.orders(shop, history.VerbHold, nil) }, nil, "", nil,
		},
		"warned": {
			func(w *world) {
				w.append(shop, history.DeniedPayload{Gate: "prod", Application: shop.name, User: "erin", Asked: "sync", Code: "c", Text: "not approved", Warned: true, Repeated: 2})
			}, []string{evidence.ExceptionWarned}, "not approved (and 2 times more)", nil,
		},
		"refused": {
			func(w *world) {
				w.append(shop, history.DeniedPayload{Gate: "prod", Application: shop.name, User: "erin", Asked: "sync", Code: "c", Text: "not approved"})
			}, nil, "", nil,
		},
		"another gate": {
			func(w *world) {
				w.observes(staging, 5, nil)
				w.lands(unapproved)
				w.breaks(staging, "g", 1)
				w.overrides(staging, "g", 0, 1, history.ResultSucceeded)
			}, nil, "", nil,
		},
		"a clock that was set back": {
			func(w *world) {
				w.lands(nil)
				w.deploys(shop, 0, 1)
				w.at = from().AddDate(-1, 0, 0)
				w.observes(shop, 5, nil)
			}, []string{evidence.ExceptionClock, evidence.ExceptionUngated}, "a clock was set back", []string{"quorum", "ungated"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			test.write(w)
			r := w.report()
			var kinds, grounds []string
			for _, e := range r.Exceptions {
				kinds = append(kinds, e.Kind)
				require.NotEmpty(t, e.Text)
				entries, err := w.store.Entries(t.Context(), e.Proof.Entry, 1)
				require.NoError(t, err)
				require.Equal(t, entries[0].Digest, e.Proof.Digest)
			}
			for _, d := range r.Deployments {
				grounds = append(grounds, d.LetThrough)
			}
			require.Equal(t, test.kinds, kinds)
			require.Equal(t, test.grounds, grounds)
			if len(kinds) > 0 {
				require.Contains(t, r.Exceptions[0].Text, test.text)
			}
			require.Equal(t, len(kinds), r.Summary.Exceptions)
		})
	}
}
