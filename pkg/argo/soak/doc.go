// Package soak remembers for how long images ran Healthy in an Application, so
// that a gate can ask of an image that it was proven elsewhere first.
//
//	watch of Applications ──► Observe ──► Observation ─┐
//	fresh read by Evidence ─► Observe ──► Observation ─┤
//	                                                    ▼
//	                 Store ◄── what is remembered ◄── Memory.Next (pure)
//	                                                    │
//	                          Evidence ◄── Memory.Evidence (pure)
//
// # What counts
//
// A run of an image begins with an observation that counts and goes on with each
// further one that counts. It lasts from its first observation to its last: time
// after the last observation is not counted, so a Watch reads the Application anew
// before it gives evidence. An observation counts when all of this holds:
//
//   - The Application exists and is not being deleted.
//   - No operation is requested or under way, and the last one ended as Succeeded.
//   - The status is fresh: status.reconciledAt is at most Rules.Fresh old, measured
//     from when that value was first seen by our own clock or from the value itself,
//     whichever is earlier, and is not in the future.
//   - The status is of what the last operation deployed: it was written after the
//     operation had ended, or, in the same second, for its revisions.
//   - It is of this spec: status.sync.comparedTo is what the spec says.
//   - It is Synced and Healthy, and says since when it is Healthy.
//   - status.summary.images is readable.
//
// Within it, an image counts when no other tag or digest of its repository runs
// beside it. Everything else interrupts all runs, or those of the repository:
// Progressing, Suspended, Degraded, Missing and Unknown, OutOfSync, a sync.
//
// From one observation to the next a run goes on only if nothing says that
// something happened in between: the same UID, the same last operation, the same
// status.health.lastTransitionTime, and no more time than the earlier status was
// fresh for. A restart of Gatekeeper, a lost watch and a list after it are therefore
// nothing special: the remembered observation is compared with the first one after
// the gap. Argo CD writes lastTransitionTime whenever the health becomes another
// one (2.14 and newer), so a spell of bad health in the gap is seen. A gap that is
// longer than the status was fresh for starts again, whatever the status says, since
// nobody knows whether the controller itself was watching.
//
// # The revision
//
// status.sync.revision is not compared with the revision of the last operation once
// the comparison is newer than that operation. In a repository with many
// Applications the branch moves on all the time, and an Application that such a
// commit does not touch stays Synced without an operation. Synced says that what is
// live is what the newer revision renders.
//
// # Which clock
//
// Durations are between readings of our own clock. Times in an Application are
// compared with each other, or can only make a status older, never newer.
//
// # What is trusted
//
// The status is the word of the application-controller, and of everybody else who
// may patch the Application: there is no status subresource. Gatekeeper's admission
// rules keep others from the operation state, the sync status and the history of
// protected Applications, and leave health and summary alone. So evidence is as good
// as the rights on the Application that it comes from. Who may write there can make
// an image look proven, and can never make it approved.
//
// Argo CD keeps the summary of an earlier comparison when it fails to read the tree
// of resources (controller/appcontroller.go, processAppRefreshQueueItem, 2.14): for
// as long as that lasts, status.summary.images is older than the health beside it,
// and nothing in the status tells.
package soak
