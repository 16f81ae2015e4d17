package config

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// syncRules checks what people may ask of Argo CD.
func (c *checker) syncRules(s Sync, n *yaml.Node) approval.SyncRules {
	may := func(key, value string, byDefault bool) bool {
		switch value {
		case "":
			return byDefault
		case "allow":
			return true
		case "refuse":
			return false
		default:
			c.add(at(n, key), "sync.%s %q is none of allow, refuse", key, value)
			return false
		}
	}
	rules := approval.SyncRules{
		Rollback: may("rollback", s.Rollback, true), Partial: may("partial", s.Partial, true),
		Prune: may("prune", s.Prune, true), Force: may("force", s.Force, false), Automated: s.GatedAutoSync,
		OnCommand: s.OnCommand,
	}
	if s.OnCommand && s.GatedAutoSync {
		c.add(at(n, "onCommand"), "sync.onCommand waits for somebody to say sync, and sync.gatedAutoSync lets Applications sync themselves; write one of both")
	}
	for i, option := range s.Options {
		name, value, found := strings.Cut(option, "=")
		switch {
		case !found || name == "" || value == "" || strings.ContainsAny(option, " \t\n"):
			c.add(at(n, "options", i), "sync option %q must be Name=value, for example ApplyOutOfSyncOnly=true", option)
		case slices.Contains(rules.Options, option):
			c.add(at(n, "options", i), "sync option %q is listed twice", option)
		}
		rules.Options = append(rules.Options, option)
	}
	switch {
	case s.StuckAfter == 0:
	case s.StuckAfter < time.Minute || s.StuckAfter > maxStuckAfter:
		c.add(at(n, "stuckAfter"), "sync.stuckAfter %s is not between 1m and 24h", s.StuckAfter)
	default:
		rules.StuckAfter = s.StuckAfter
	}
	return rules
}

// maxStuckAfter bounds how long a sync may hang before anybody is told.
const maxStuckAfter = 24 * time.Hour

// describeSync says in words what people may ask of Argo CD.
func describeSync(r approval.SyncRules) string {
	var may, not []string
	for _, rule := range []struct {
		permitted bool
		what      string
	}{
		{r.Rollback, "roll back to earlier deployments"}, {r.Partial, "sync single resources"}, {r.Prune, "prune"}, {r.Force, "use force"},
	} {
		if rule.permitted {
			may = append(may, rule.what)
		} else {
			not = append(not, rule.what)
		}
	}
	for _, option := range r.Options {
		may = append(may, "add "+option)
	}
	text := "people may sync what is approved with Argo CD"
	if len(may) > 0 {
		text += ", and " + strings.Join(may, ", ")
	}
	if len(not) > 0 {
		text += "; they may not " + strings.Join(not, ", ")
	}
	if r.OnCommand {
		text += "; Gatekeeper syncs what is approved when somebody who may write says so"
	}
	if r.Automated {
		text += "; Applications may sync themselves to what is approved"
	}
	return text
}
