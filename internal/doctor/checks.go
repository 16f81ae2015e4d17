package doctor

import "slices"

// Checks lists every check, by area.
func Checks() []Check {
	return slices.Concat(enforcementChecks(), argoChecks(), argoRightsChecks(), kubernetesChecks(),
		applicationChecks(), gitHubChecks(), gatekeeperChecks())
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
