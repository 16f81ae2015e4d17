package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/installation"
)

// Expect is an object of enforcement as a typed object says it, for Sources.Enforced.
func Expect(resource installation.Resource, typed any, ignore ...string) (Expected, error) {
	data, err := json.Marshal(typed)
	if err != nil {
		return Expected{}, fmt.Errorf("encode %s: %w", resource.Name, err)
	}
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		return Expected{}, fmt.Errorf("encode %s: %w", resource.Name, err)
	}
	delete(object, "status")
	metadata, ok := object["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	if !ok || name == "" {
		return Expected{}, fmt.Errorf("encode %s: it has no name", resource.Name)
	}
	delete(metadata, "creationTimestamp")
	namespace, _ := metadata["namespace"].(string)
	return Expected{Resource: resource, Namespace: namespace, Name: name, Object: object, Ignore: ignore}, nil
}

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
	if len(p.Enforced) > 0 {
		return good("enforcement is configured")
	}
	var o outcome
	o.find(note{
		reason: "nothing is enforced: whoever may sync in Argo CD or write Applications deploys what nobody approved",
		fix:    "add the section enforcement to the configuration",
	})
	return o, nil
}

func enforcementObjects(ctx context.Context, p *probe) (outcome, error) {
	if len(p.Enforced) == 0 {
		return good("enforcement is not configured, so there is nothing to compare")
	}
	if err := p.need("Cluster", p.Cluster != nil); err != nil {
		return outcome{}, err
	}
	var o outcome
	for _, e := range p.Enforced {
		about := e.Resource.Name + " " + e.Name
		live, err := p.Cluster.Get(ctx, e.Resource, e.Namespace, e.Name)
		switch {
		case err != nil:
			o.doubt(about, err)
		case live == nil:
			o.find(note{about: about, reason: "it does not exist, so the API server does not ask", fix: "restart Gatekeeper, which writes it, and see its log if it does not"})
		default:
			if where := differs(e.Object, live, "", e.Ignore); where != "" {
				o.find(note{about: about, reason: "it was changed: " + where, fix: "restart Gatekeeper, which repairs it; then find out who changed it",
					command: "kubectl get " + e.Resource.Name + " " + e.Name + " -o yaml --show-managed-fields"})
			}
		}
	}
	o.good = fmt.Sprintf("%d objects are there and unchanged", len(p.Enforced))
	return o, nil
}

// differs says where live is not what is wanted. Maps may have more keys, lists may
// not have more items: one more match condition narrows what is asked about.
func differs(want, live any, path string, ignore []string) string {
	if slices.Contains(ignore, path) {
		return ""
	}
	switch want := want.(type) {
	case map[string]any:
		have, ok := live.(map[string]any)
		if !ok {
			return path + " is " + describe(live)
		}
		for _, key := range slices.Sorted(maps.Keys(want)) {
			if where := differs(want[key], have[key], strings.TrimPrefix(path+"."+key, "."), ignore); where != "" {
				return where
			}
		}
		return extraConditions(want, have, path)
	case []any:
		have, ok := live.([]any)
		if !ok || len(have) != len(want) {
			return fmt.Sprintf("%s has %d items instead of %d", path, len(have), len(want))
		}
		for i := range want {
			if where := differs(want[i], have[i], path+"."+strconv.Itoa(i), ignore); where != "" {
				return where
			}
		}
		return ""
	default:
		if !equal(want, live) {
			return path + " is " + describe(live) + " instead of " + describe(want)
		}
		return ""
	}
}

// extraConditions finds what the wanted object leaves out and what, when somebody adds
// it, narrows what the API server asks about. The empty selectors that the API server
// adds narrow nothing.
func extraConditions(want, have map[string]any, path string) string {
	for _, key := range []string{"matchConditions", "objectSelector", "namespaceSelector", "excludeResourceRules", "resourceNames", "paramRef", "matchResources", "matchConstraints"} {
		if _, wanted := want[key]; wanted {
			continue
		}
		if !reflect.ValueOf(have[key]).IsValid() || isEmpty(have[key]) {
			continue
		}
		return strings.TrimPrefix(path+"."+key, ".") + " was added"
	}
	return ""
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		for _, inner := range v {
			if !isEmpty(inner) && inner != "Equivalent" {
				return false
			}
		}
		return true
	case []any:
		return len(v) == 0
	default:
		return v == ""
	}
}

// equal compares scalars; numbers of JSON come as several types.
func equal(a, b any) bool {
	return reflect.DeepEqual(a, b) || a != nil && b != nil && fmt.Sprint(a) == fmt.Sprint(b)
}

func describe(v any) string {
	if v == nil {
		return "absent"
	}
	const most = 80
	text := []rune(fmt.Sprintf("%v", v))
	if len(text) > most {
		return strconv.Quote(string(text[:most]) + "…")
	}
	return strconv.Quote(string(text))
}
