// Package argolink puts a link to the deciding pull request on an Application, which Argo CD
// shows on its tile and in its summary.
//
// The link is the annotation link.argocd.argoproj.io/gatekeeper with "title|URL" (argo-cd
// common/common.go, AnnotationKeyLinkPrefix; 2.14 and later). It is for people: no decision
// depends on it, it is in no fact, and whoever may edit the Application may change it.
//
// It is written by a merge patch of that one annotation, bound to the resource version, only
// when it says something else than before, and never while an operation is requested or
// running. An ApplicationSet takes annotations that it does not know off the Applications
// that it owns, unless spec.preservedFields names them (argo-cd docs, "Controlling Resource
// Modification"); such an Application gets no link, because it would be written for ever.
//
// The banner of the annotations notice.argocd.argoproj.io/* is not used: Argo CD has it since
// 3.5.0, and it could not be tested with the versions that Gatekeeper is tested with.
package argolink
