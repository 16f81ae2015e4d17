package payments

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Decision is a recorded decision as a reader of the export sees it. The types
// here spell the format out again, so that the tests hold it still.
type Decision struct {
	Verdict  string
	Findings []Finding
}

// Finding is one node of a decision's explanation.
type Finding struct {
	Code     string
	Verdict  string
	Text     string
	Remedy   string
	Commit   string
	Children []Finding
}

// Has says whether a finding with the code is anywhere in the tree.
func (d Decision) Has(code string) bool { return has(d.Findings, code) }

func has(findings []Finding, code string) bool {
	for _, f := range findings {
		if f.Code == code || has(f.Children, code) {
			return true
		}
	}
	return false
}

// RecordOf returns the entries about a service's production Application.
func (w *World) RecordOf(ctx context.Context, service string) ([]Entry, error) {
	app, err := w.apps().Get(ctx, w.Application("prod", service), metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the application: %w", err)
	}
	entries, err := w.Record(ctx)
	if err != nil {
		return nil, err
	}
	var own []Entry
	for _, e := range entries {
		if e.Application == string(app.GetUID()) {
			own = append(own, e)
		}
	}
	return own, nil
}

// Decision returns the newest recorded decision on a service; the zero Decision
// when there is none.
func (w *World) Decision(ctx context.Context, service string) (Decision, error) {
	all, err := w.Decisions(ctx, service)
	if err != nil || len(all) == 0 {
		return Decision{}, err
	}
	return all[len(all)-1], nil
}

// Decisions returns all recorded decisions on a service, oldest first.
func (w *World) Decisions(ctx context.Context, service string) ([]Decision, error) {
	entries, err := w.RecordOf(ctx, service)
	if err != nil {
		return nil, err
	}
	var all []Decision
	for _, e := range entries {
		if e.Kind != "decision" {
			continue
		}
		var payload struct{ Decision Decision }
		if err := json.Unmarshal(e.Payload, &payload); err != nil {
			return nil, fmt.Errorf("decode entry %d: %w", e.Sequence, err)
		}
		all = append(all, payload.Decision)
	}
	return all, nil
}

// On returns what the decision finds about one landing.
func (d Decision) On(sha string) Decision {
	var of Decision
	for _, f := range d.Findings {
		if f.Commit == sha {
			of.Verdict, of.Findings = f.Verdict, append(of.Findings, f)
		}
	}
	return of
}

// Names says whether a finding of the decision is about a commit.
func (d Decision) Names(sha string) bool { return names(d.Findings, sha) }

func names(findings []Finding, sha string) bool {
	for _, f := range findings {
		if f.Commit == sha || names(f.Children, sha) {
			return true
		}
	}
	return false
}
