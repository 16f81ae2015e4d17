// Package argosync makes Argo CD sync exactly what was approved.
//
//	approval.Release ──► Syncer.Sync ──► one merge patch of the Application
//	                                       metadata.resourceVersion  the lock
//	                                       operation                 the request
//	                                       status.operationState     null
//
// Argo CD's controller executes whatever is in ".operation". The patch is bound to
// the resource version from which the facts of the decision were read, so neither the
// spec nor an operation can have changed in between.
//
// # The operation
//
// The revisions are exact commits, one for each source. The sources are repeated from
// the spec, although Argo CD would look there itself, because it would look later:
//
//   - In 2.14 the controller takes the sources from the spec again whenever it takes up
//     an operation that waits or is retried (controller/sync.go, SyncAppState), so an edit
//     of the spec meanwhile is deployed.
//   - Up to 3.1 a source that others refer to by "$ref" is taken at its branch's head,
//     whatever revisions say, unless the operation has sources (util/argo/argo.go,
//     GetRefSources; pinned always since 3.2.0).
//
// To 2.14 such an operation looks like a rollback, which has no other effect than the
// intended one: nothing of the source is lost, and hooks run, because those are skipped
// only for the "apply" strategy and for selected resources. All of this was seen on 2.14.21
// and 3.2.11 on 2026-11-21 and is tested there by TestSyncOnArgoCD.
//
// syncOptions and retry are those of the spec, as for a sync from the UI, which sends
// no prune unless asked. Here resources are pruned if spec.syncPolicy.automated.prune
// says so (the spec digest covers it) or if the Syncer is configured to. retry.refresh,
// by which a retry moves to a newer revision, is never sent.
//
// status.operationState is removed because the controller's own patches leave in it
// what they do not mention: fields of the previous operation would become part of the
// new one (argo-cd issues 26530, 28778).
//
// # Failing closed
//
// Nothing is sent for a Release that is not valid, for an Application that changed, is
// being deleted or has an operation, or for a source whose revision is
// not a commit. If the answer to the patch is lost, the operation may have been set:
// read the Application again and look for the intent.
package argosync
