package config

import (
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/calendar"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// operateRules say in words when syncs are stopped, and who overrides that.
func operateRules(p approval.Policy) []string {
	var out []string
	for _, w := range p.Windows {
		verb := "syncs are allowed in window "
		if w.Kind == approval.WindowDeny {
			verb = "syncs are denied in window "
		}
		out = append(out, verb+w.Name+": "+describeSchedule(w.Schedule))
	}
	if names := people(p.Holders.Teams, p.Holders.Users); names != "" {
		out = append(out, "holds by comment of "+names)
	}
	if b := p.BreakGlass; b != nil {
		out = append(out, "break-glass by "+people(b.Teams, b.Users)+", valid for "+brief(b.ValidFor)+", reviewed by somebody else within "+brief(b.ReviewBy))
	}
	return out
}

func describeSchedule(text string) string {
	s, err := calendar.ParseSchedule(text)
	if err != nil {
		return text
	}
	var parts []string
	if s.RRule != "" {
		parts = append(parts, s.RRule+" for "+brief(s.Duration))
	}
	if s.From != "" {
		parts = append(parts, "from "+s.From)
	}
	if s.Until != "" {
		parts = append(parts, "until "+s.Until)
	}
	return strings.Join(append(parts, "in "+s.Timezone), " ")
}

// brief is a duration without zeros at its end.
func brief(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// Opening is one of the next openings of a gate.
type Opening struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Openings are the next n moments after at from which on the gate's windows let
// something through; empty for a gate without windows.
func Openings(p approval.Policy, at time.Time, n int) ([]Opening, error) {
	c, err := calendar.New(p.Windows)
	if err != nil || len(p.Windows) == 0 {
		return nil, err
	}
	var out []Opening
	for _, e := range c.Edges(at, 2*n) {
		if e.Opens && len(out) < n {
			out = append(out, Opening{At: e.At, Text: calendar.Written(e.At, c.Windows()[0].Zone())})
		}
	}
	return out, nil
}
