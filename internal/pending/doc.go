// Package pending is the inbox of approvals: which pull requests wait for whose approval.
//
//	open pull requests ──┐
//	                     ├─► how each stands ─► what is missing, and who can give it
//	landed, not synced ──┘
//
// How a pull request stands is what was reported on it last, as long as its head is the
// same; what was not reported since the start is looked at when somebody asks. Nothing is
// decided, recorded or written by asking.
//
// # Failing
//
// What cannot be read is named in the answer, and not left out: an empty inbox says that
// nothing waits.
package pending
