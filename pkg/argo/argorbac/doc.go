// Package argorbac says who may do what with Applications by Argo CD's own rules.
//
//	argocd-rbac-cm ──► policy.csv, policy.default ─┐
//	AppProjects ─────► roles, their groups ────────┼──► Argo CD's enforcer ──► grants
//	argocd-cm ───────► admin, exec, inheritance ───┘
//
// The rules are not interpreted here: Argo CD's own enforcer (util/rbac of argo-cd,
// which is casbin with Argo CD's model) answers each question, deny rules included.
// What this package adds are the questions: every user and group that the policies
// name, every protected Application, every action that matters.
//
// # What it cannot see
//
// Who is in a group is known to the identity provider alone, so groups are named as
// groups. An account that no policy names has what policy.default gives, which is
// one grant of its own, to everybody.
package argorbac
