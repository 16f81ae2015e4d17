package payments

import (
	"context"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// ConfigureGate adds keys to the configuration of the gate, each line indented by four
// spaces. It is for before gatekeeper starts.
func (w *World) ConfigureGate(yaml string) error {
	w.gate = yaml
	return w.WriteConfig(w.Sandbox.Kubeconfig(sandbox.Gatekeeper))
}

// Order runs a command of gatekeeper that a person gives an order with.
func (w *World) Order(ctx context.Context, person, reason string, args ...string) (string, error) {
	return w.Gatekeeper(ctx, append(args, "--config", w.Config, "--by", person, "--reason", reason)...)
}
