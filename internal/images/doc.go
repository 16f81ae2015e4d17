// Package images completes the facts of a decision by what they need to know of
// images: what each change in scope does to them, who signed the commits that move
// them, which digest a tag has, whether the image is signed, and how it fared in
// another Application.
//
//	facts of collect ──► changes in scope ── both versions of each file ──► imagediff
//	                          │ moves an image
//	                          ├─► commits of the pull request ──► signatures
//	                          └─► images ──► registry, soak
//
// It is between the adapters and the gate: it asks the git mirrors, the registry and
// the watch of Applications through interfaces of its own, and knows no policy but
// for what it has to look for. What could not be read of git is an error, and the
// facts are then incomplete. What a registry or a watch could not say is part of the
// facts as not known, since other landings do not need it.
package images
