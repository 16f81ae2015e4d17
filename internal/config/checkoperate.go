package config

import (
	"errors"
	"regexp"
	"slices"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/argo-gatekeeper/gatekeeper/internal/calendar"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// windowName is what may stand in a sentence.
var windowName = regexp.MustCompile(`^[\pL\pN][\pL\pN ._-]{0,59}$`)

// Bounds and defaults of break-glass.
const (
	defaultReviewBy = 24 * time.Hour
	defaultValidFor = time.Hour
	maxReviewBy     = 31 * 24 * time.Hour
	maxValidFor     = 24 * time.Hour
)

// operate checks windows, who may hold, and who may break the glass.
func (c *checker) operate(g Gate, n *yaml.Node, p *approval.Policy) {
	if len(g.Windows) > calendar.MaxWindows {
		c.add(at(n, "windows"), "gate %q has %d windows, and %d are the most; write rules that cover several", g.Name, len(g.Windows), calendar.MaxWindows)
	}
	for i, w := range g.Windows {
		node := at(n, "windows", i)
		if !windowName.MatchString(w.Name) {
			c.add(at(node, "name"), "the window's name %q must be at most 60 letters, digits, spaces, dots and dashes, for example office-hours", w.Name)
		}
		if slices.ContainsFunc(g.Windows[:i], func(o Window) bool { return o.Name == w.Name }) {
			c.add(at(node, "name"), "window %q exists twice in gate %q; give each window a name of its own", w.Name, g.Name)
		}
		s := calendar.Schedule{Timezone: w.Timezone, RRule: w.RRule, Duration: w.Duration, From: w.From, Until: w.Until}
		if _, err := calendar.NewWindow(w.Name, approval.WindowKind(w.Kind), s); err != nil {
			if wrong, ok := errors.AsType[*calendar.Mistake](err); ok {
				node = at(node, wrong.Key)
			}
			c.add(node, "window %q: %s", w.Name, err)
		}
		p.Windows = append(p.Windows, approval.Window{Name: w.Name, Kind: approval.WindowKind(w.Kind), Schedule: s.String()})
	}
	holders := c.named(g.Holds, at(n, "holds"))
	p.Holders = approval.Named{Teams: holders.teams, Users: holders.users}
	adopters := c.named(g.Adopts, at(n, "adopts"))
	p.Adopters = approval.Named{Teams: adopters.teams, Users: adopters.users}
	if b := g.BreakGlass; b != nil {
		p.BreakGlass = c.breakGlass(*b, g.Name, at(n, "breakGlass"))
	}
}

func (c *checker) breakGlass(b BreakGlass, gate string, n *yaml.Node) *approval.BreakGlass {
	who := c.named(People{b.Groups, b.Teams, b.Users}, n)
	if len(b.Groups)+len(b.Teams)+len(b.Users) == 0 {
		c.add(n, "breakGlass of gate %q names nobody; write groups, teams or users, or leave breakGlass out", gate)
	}
	out := &approval.BreakGlass{Named: approval.Named{Teams: who.teams, Users: who.users}, ReviewBy: b.ReviewBy, ValidFor: b.ValidFor}
	if out.ReviewBy == 0 {
		out.ReviewBy = defaultReviewBy
	}
	if out.ValidFor == 0 {
		out.ValidFor = defaultValidFor
	}
	if out.ReviewBy < time.Minute || out.ReviewBy > maxReviewBy {
		c.add(at(n, "reviewBy"), "reviewBy must be between 1m and %s, for example 24h", maxReviewBy)
	}
	if out.ValidFor < time.Minute || out.ValidFor > maxValidFor {
		c.add(at(n, "validFor"), "validFor must be between 1m and %s, for example 1h", maxValidFor)
	}
	if len(who.teams) == 0 && len(who.users) == 1 {
		c.add(n, "breakGlass of gate %q names one person alone, and what %s does has to be reviewed by another; name a team or more people", gate, who.users[0])
	}
	return out
}
