package doctor

import "slices"

// Checks lists every check, by area.
func Checks() []Check {
	return slices.Concat(enforcementChecks(), argoChecks(), argoRightsChecks(), kubernetesChecks(),
		applicationChecks(), gitHubChecks(), shownChecks(), gatekeeperChecks())
}

// Find finds a check by its code.
func Find(code string) (Check, bool) {
	checks := Checks()
	i := slices.IndexFunc(checks, func(c Check) bool { return c.Code == code })
	if i < 0 {
		return Check{}, false
	}
	return checks[i], true
}

// ClusterRole is what doctor reads in Kubernetes, as a manifest. Asking whether
// Gatekeeper's own identity has its rights needs none.
func ClusterRole() string {
	return `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: gatekeeper-doctor
rules:
  - {apiGroups: [argoproj.io], resources: [applications, appprojects, applicationsets], verbs: [list]}
  - {apiGroups: [""], resources: [configmaps], resourceNames: [argocd-cm, argocd-rbac-cm], verbs: [get]}
  - {apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles, roles, clusterrolebindings, rolebindings], verbs: [list]}
  - {apiGroups: [admissionregistration.k8s.io], resources: [validatingwebhookconfigurations, validatingadmissionpolicies, validatingadmissionpolicybindings], verbs: [get]}
`
}
