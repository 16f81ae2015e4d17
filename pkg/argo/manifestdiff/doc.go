// Package manifestdiff compares what Argo CD renders of an Application at two
// revisions, resource by resource, for people.
//
//	manifests (JSON) ──Parse──► resources, normalised, secrets masked
//	                                  │
//	        two of those ──Diff──► approval.RenderedDiff: added, removed, changed
//
// It is pure but for the key of the Masker, which is made once.
//
// # Secrets
//
// Values are masked before anything else is done with a resource, so what is kept in
// memory and what is compared holds none. It is the parsed kind that decides, in any
// API group and however it is written, and whatever has no kind is taken for a Secret.
// Of a Secret the type, the names and the labels are shown, and annotations of Argo CD
// and Helm; of everything else only whether it changed. Secrets inside of other
// resources, in lists and in text (a manifest in a ConfigMap) are masked too. A mask is
// a number that is given anew in each diff: equal values have equal numbers, and a
// number tells nothing else, so short values cannot be guessed from it.
//
// Argo CD masks core Secrets itself, all values alike, before it answers
// (server/application/application.go, GetManifests, of 2.14.21 and 3.2.11: HideSecretData
// for each manifest alone). Whether such a value changed cannot be seen then;
// RenderedDiff.Unseen counts the Secrets of which that is so.
//
// # What is not shown
//
// Nothing but what cannot matter: metadata.creationTimestamp when it is null,
// metadata.managedFields, an empty status, Argo CD's tracking annotation when it names
// the resource it is on, and the order of keys. Two numbers that are written in two ways
// (1 and 1.0) differ.
//
// # Bounds
//
// What is too much to read is ErrTooLarge. What is too much to show is cut between
// lines and between resources, and counted.
package manifestdiff
