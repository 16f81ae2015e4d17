package main

import (
	"context"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/internal/gate"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/admission"
)

// admissionSettings are what the rules depend on, by the gates' policies.
func admissionSettings(policies []approval.Policy) admission.Settings {
	var s admission.Settings
	for _, p := range policies {
		s.Protected = append(s.Protected, p.Applications...)
		if p.Sync.Automated {
			s.GatedAutoSync = append(s.GatedAutoSync, p.Applications...)
		}
		// Which gate permits it is for the gate to say; the rule is for all of them.
		s.AllowForce = s.AllowForce || p.Sync.Force
	}
	return s
}

// newResponder joins the rules and the gate.
func newResponder(settings admission.Settings, parser *argo.Parser, admit func(context.Context, gate.AdmissionRequest) gate.Admission) (admission.Responder, error) {
	evaluator, err := admission.NewEvaluator(settings)
	if err != nil {
		return admission.Responder{}, err
	}
	return admission.Responder{
		Evaluator: evaluator, Parser: parser, Mode: settings.Mode,
		Judge: func(ctx context.Context, examined admission.Examination) admission.Judgement {
			answer := admit(ctx, asked(settings, examined))
			return admission.Judgement{Allowed: answer.Allowed, Text: answer.Text}
		},
	}, nil
}

// asked is a request in the gate's words.
func asked(settings admission.Settings, examined admission.Examination) gate.AdmissionRequest {
	c := examined.Change
	r := gate.AdmissionRequest{
		Verb: gate.Verb(strings.ToLower(string(c.Verb))), Before: c.Before, After: c.After, User: c.User, DryRun: c.DryRun,
		Prunes: slices.Contains(c.Annotations, admission.DeletionApproved),
	}
	for _, d := range examined.Denials {
		r.Refused = append(r.Refused, gate.Refusal{Rule: d.Rule, Text: d.Message})
	}
	d := c.Started
	if d == nil {
		return r
	}
	controllers := settings.Controllers
	if len(controllers) == 0 {
		controllers = []string{admission.DefaultController}
	}
	r.Start = &gate.Start{
		Candidate: d.Candidate, Intent: d.Intent, InitiatedBy: d.InitiatedBy,
		// Whoever writes an operation can say that it is, but not that it is not.
		Automated: d.Automated || slices.Contains(controllers, c.User),
		DryRun:    d.DryRun, Partial: d.Partial, Prune: d.Prune, Force: d.Force,
	}
	for _, option := range d.SyncOptions {
		// Options of the spec that the operation leaves out, as Argo CD's command line
		// does (cmd/argocd/commands/app.go, 2.14 and 3.2), ship the same content.
		if !strings.HasPrefix(option, "-") {
			r.Start.Options = append(r.Start.Options, option)
		}
	}
	if len(d.Unclear) > 0 {
		r.Refused = append(r.Refused, gate.Refusal{Rule: "operation.unclear", Text: d.Unclear[0]})
	}
	return r
}
