package policytest

import "github.com/argo-gatekeeper/gatekeeper/pkg/approval"

// openCalendar is a moment at which every allow window is open and no deny window is:
// a policy's tests are about approvals, whatever day it is.
func openCalendar(p *approval.Policy) []approval.WindowState {
	var out []approval.WindowState
	for _, w := range p.Windows {
		out = append(out, approval.WindowState{Name: w.Name, Open: w.Kind == approval.WindowAllow})
	}
	return out
}
