// Package preview has Argo CD render what pull requests change and what syncs would
// ship, beside the reconcile loop.
//
//	Ask (what is wanted) ──► answers that are there, at once
//	      │                        ▲
//	      ▼                        │ kept
//	   queue ──► four workers ──► Argo CD ──► masked, compared
//	                               │
//	                               └─► wake, when all that was wanted is there
//
// Ask never waits, and no decision asks: however slow Argo CD is, or whatever a pull
// request makes its repo-server do, nothing but the text on the pull request is late.
//
// # What an answer is kept by
//
// The Application's UID, the digest of its spec, and one full SHA for each source of
// both sides. What is rendered also depends on the cluster's API versions, so an answer
// is looked at again after an hour; meanwhile the old one is given. What is kept holds no
// secrets: it was masked when it came.
//
// # Failing
//
// What Argo CD cannot render is an answer too, and kept for some minutes. When Argo CD
// itself does not answer, the same is tried again, ever more rarely; after three such
// failures in a row nothing is tried for a while, so that a server that is down or
// overloaded is left alone. Whoever asked is woken when there is something new to say.
//
// One Application is never rendered twice at a time. For several sources Argo CD's API
// server writes the revisions that are asked for into an object that its requests share
// (server/application/application.go, GetManifests, of 2.14.21 and 3.2.11: Sources of the
// informer's object are changed in place), so two requests could get each other's answer.
package preview
