package doctor

import (
	"context"
	"errors"
	"strconv"
	"strings"
)

func enforcementChecks() []Check {
	return []Check{
		{
			Code: "enforcement.configured", Area: Enforcement, Severity: Critical,
			Title: "the Kubernetes API refuses syncs that are not approved",
			Explain: `Without enforcement Gatekeeper syncs what is approved, but nothing refuses what is not:
whoever may sync in Argo CD, or write Applications in Kubernetes, deploys past every quorum.
With enforcement the API server asks Gatekeeper before each sync starts, and refuses
what no policy of Kubernetes' own lets through.

Leave it out with --skip enforcement.configured where Gatekeeper only advises.`,
			run: enforcementConfigured,
		},
		{
			Code: "enforcement.objects", Area: Enforcement, Severity: Critical,
			Title: "webhook and admission policy are there and unchanged",
			Explain: `Compares the live webhook configuration, admission policy and binding with what this
version of Gatekeeper writes for this configuration. Every field that it writes has to be
there with the same value: a narrower rule, a condition that was added, failurePolicy Ignore
or another object in a list are findings. Fields that the API server adds by itself are not
compared. Gatekeeper repairs drift while it runs, so a finding here says that it does not
run, may not write these objects, or that somebody changes them all the time.`,
			run: enforcementObjects,
		},
	}
}

func enforcementConfigured(_ context.Context, p *probe) (outcome, error) {
	if p.Enforced {
		return good("enforcement is configured")
	}
	var o outcome
	o.find(note{
		reason: "nothing is enforced: whoever may sync in Argo CD or write Applications deploys what nobody approved",
		fix:    "add the section enforcement to the configuration, and no mode but enforce",
	})
	return o, nil
}

func enforcementObjects(ctx context.Context, p *probe) (outcome, error) {
	if !p.Enforced {
		return good("enforcement is not configured, so there is nothing to compare")
	}
	if err := p.need("Objects", p.Objects != nil); err != nil {
		return outcome{}, err
	}
	// What could be read is told, whatever could not.
	objects, err := p.Objects(ctx)
	o := outcome{good: plural(len(objects), "object") + " are there and unchanged"}
	if err != nil {
		o.doubt("", err)
	}
	for _, x := range objects {
		if len(x.Differences) == 0 {
			continue
		}
		o.find(note{about: x.Kind + " " + x.Name, reason: sorted(x.Differences), fix: "restart Gatekeeper, which repairs it; then find out who changed it",
			command: "kubectl get " + strings.ToLower(x.Kind) + " " + x.Name + " -o yaml --show-managed-fields"})
	}
	if len(objects) == 0 && err == nil {
		return outcome{}, errors.New("there is nothing to compare with")
	}
	return o, nil
}

// describe quotes what others wrote, shortened.
func describe(text string) string {
	const most = 80
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return strconv.Quote(text)
}
