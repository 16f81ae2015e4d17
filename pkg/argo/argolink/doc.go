// Package argolink puts a link to the deciding pull request, and a notice of what the gate
// waits for, on an Application, where Argo CD shows them.
//
// The link is the annotation link.argocd.argoproj.io/gatekeeper with "title|URL" (argo-cd
// common/common.go, AnnotationKeyLinkPrefix; 2.14 and later), on the tile and in the summary.
//
// The notice is a banner on the Application's page and an icon in the lists: the annotations
// notice.argocd.argoproj.io/content (plain text, cut at 500 UTF-16 code units; the icon shows
// 200), /severity (info, warning or critical) and /url (http or https), which Argo CD has since
// 3.5.0 (docs/user-guide/application-notice.md and ui/src/app/applications/components/
// application-notice/notice.ts of tag v3.5.0, read 2026-11-22); older ones ignore them. One
// notice fits on an Application, so that of somebody else stays: ours is told by the digest in
// argo-gatekeeper.io/notice. Whoever looks may dismiss it until it says something else, since
// /permanent is left alone, and so are /icon and /scope.
//
// Both are for people: no decision depends on them, they are in no fact, and whoever may edit
// the Application may change them.
//
// They are written by a merge patch of these annotations alone, bound to the resource version,
// only when they say something else than before, and never while an operation is requested or
// running. An ApplicationSet takes annotations that it does not know off the Applications that
// it owns, unless spec.preservedFields.annotations has exactly their names (argo-cd
// applicationset/controllers/applicationset_controller.go, 2.14 and 3.5); without that such an
// Application gets none, because they would be written for ever. What the controller's flag
// --preserved-annotations names cannot be seen from the cluster's objects.
package argolink
