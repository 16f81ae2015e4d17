package main

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/measures"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// connectMeasures has the metrics of DORA computed from the record. The Applications that
// have series of their own are those that a gate protects now.
func connectMeasures(cfg config.Config, policies func() []approval.Policy, record history.Reader, list func() []approval.Application, registry prometheus.Registerer, log *slog.Logger) (*measures.Collector, error) {
	policy, err := metricsPolicy(cfg.File.Metrics)
	if err != nil {
		return nil, err
	}
	c := measures.NewCollector(measures.Options{
		Source: measures.NewSlowLoader(record), Policy: policy, Most: cfg.File.Metrics.Applications, Now: time.Now, Log: log,
		Protected: func() []string {
			var out []string
			for _, app := range list() {
				if slices.ContainsFunc(policies(), func(p approval.Policy) bool { return p.Protects(app) }) {
					out = append(out, app.Key())
				}
			}
			return out
		},
	})
	if err := registry.Register(c); err != nil {
		return nil, fmt.Errorf("register the metrics of DORA: %w", err)
	}
	return c, nil
}
