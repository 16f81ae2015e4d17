// Package label shows the state of each gate as a label of the pull request, such as
// "gatekeeper/prod: waiting".
//
// Labels are output alone. Whoever may triage can add and remove any label, so no decision
// looks at one; a label of ours that somebody changed is put right, at most every ten
// minutes, and labels of others are left alone.
//
//	approval.PullReport ──► wanted (pure) ──as it is──► nothing
//	                            │ differs
//	                            ▼
//	                  labels, read afresh ──► added and removed
//
// What is to be written is kept in memory, and owed until it is (Owes, Options.Done), so that
// after a restart the pull request is reported on again.
package label
