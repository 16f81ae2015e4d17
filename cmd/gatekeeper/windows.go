package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/internal/calendar"
	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

type windowsOptions struct {
	file, at, output string
	n                int
}

// maxEdges bounds how much is printed.
const maxEdges = 1000

func windowsCommand() *cobra.Command {
	var o windowsOptions
	c := &cobra.Command{
		Use:   "windows --config FILE",
		Short: "Show when each gate's windows open and close next",
		Long: `Show when each gate's windows open and close next, all windows of the gate taken
together: deny wins, and with an allow window syncs are allowed inside of one alone.

Times are in the zone of the gate's first window and in UTC. The secrets are not
read, so this runs where they are not.`,
		Example: `  gatekeeper windows --config gatekeeper.yaml -n 10
  gatekeeper windows --config gatekeeper.yaml --at 2026-12-18T12:00:00Z -o json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			at, err := o.check(time.Now())
			if err != nil {
				return err
			}
			cfg, err := config.LoadGates(o.file)
			if err != nil {
				return err
			}
			return showWindows(c.OutOrStdout(), cfg.Policies, at, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.file, "config", "", "configuration file (required)")
	f.StringVar(&o.at, "at", "", "from when on, for example 2026-12-18T12:00:00Z (default now)")
	f.IntVarP(&o.n, "number", "n", 6, "how many openings and closings of each gate")
	f.StringVarP(&o.output, "output", "o", "text", "text or json")
	return c
}

func (o windowsOptions) check(now time.Time) (time.Time, error) {
	switch {
	case o.file == "":
		return now, fmt.Errorf("--config is missing; name the configuration file, or set GATEKEEPER_CONFIG: %w", errUsage)
	case o.n < 1 || o.n > maxEdges:
		return now, fmt.Errorf("-n must be between 1 and %d: %w", maxEdges, errUsage)
	}
	if err := textOrJSON(o.output); err != nil {
		return now, err
	}
	if o.at == "" {
		return now.UTC().Truncate(time.Second), nil
	}
	at, err := time.Parse(time.RFC3339, o.at)
	if err != nil {
		return now, fmt.Errorf("--at %q is not a time such as 2026-12-18T12:00:00Z: %w", o.at, errUsage)
	}
	return at.UTC(), nil
}

// gateCalendar is what is printed with -o json for each gate.
type gateCalendar struct {
	Gate string    `json:"gate"`
	At   time.Time `json:"at"`
	Open bool      `json:"open"`
	// Windows are how each window is at that time.
	Windows []windowNow `json:"windows"`
	// Edges are the next openings and closings of the gate.
	Edges []edge `json:"edges"`
}

type windowNow struct {
	approval.WindowState
	Kind approval.WindowKind `json:"kind"`
}

type edge struct {
	calendar.Edge
	// Text is the time in a zone and in UTC.
	Text string `json:"text"`
}

func showWindows(w io.Writer, policies []approval.Policy, at time.Time, o windowsOptions) error {
	out := make([]gateCalendar, 0, len(policies))
	for _, p := range policies {
		c, err := calendar.New(p.Windows)
		if err != nil {
			return fmt.Errorf("gate %s: %w", p.Gate, err)
		}
		g := gateCalendar{Gate: p.Gate, At: at, Open: c.Open(at), Windows: []windowNow{}, Edges: []edge{}}
		for i, state := range c.States(at) {
			g.Windows = append(g.Windows, windowNow{state, p.Windows[i].Kind})
		}
		for _, e := range c.Edges(at, o.n) {
			g.Edges = append(g.Edges, edge{e, calendar.Written(e.At, c.Windows()[0].Zone())})
		}
		out = append(out, g)
	}
	if o.output == "json" {
		return printJSON(w, out)
	}
	var b strings.Builder
	for i, g := range out {
		if i > 0 {
			b.WriteByte('\n')
		}
		writeCalendar(&b, g)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("print the windows: %w", err)
	}
	return nil
}

func writeCalendar(b *strings.Builder, g gateCalendar) {
	if len(g.Windows) == 0 {
		fmt.Fprintf(b, "Gate %s has no windows: syncs are allowed at any time\n", g.Gate)
		return
	}
	fmt.Fprintf(b, "Gate %s is %s at %s\n", g.Gate, openOrClosed(g.Open), calendar.Written(g.At, nil))
	for _, w := range g.Windows {
		fmt.Fprintf(b, "  %-6s %s: %s\n", openOrClosed(w.Open), w.Name, w.Kind)
	}
	if len(g.Edges) == 0 {
		fmt.Fprintf(b, "  and stays so for %d days at least\n", int(calendar.Horizon.Hours()/24))
	}
	for _, e := range g.Edges {
		verb := "closes"
		if e.Opens {
			verb = "opens"
		}
		fmt.Fprintf(b, "  %-6s %s\n", verb, e.Text)
	}
}

func openOrClosed(open bool) string {
	if open {
		return "open"
	}
	return "closed"
}

// shownOpenings is how many openings of each gate config check shows.
const shownOpenings = 3

func openings(cfg config.Config, now time.Time) (map[string][]config.Opening, error) {
	out := map[string][]config.Opening{}
	for _, p := range cfg.Policies {
		next, err := config.Openings(p, now, shownOpenings)
		if err != nil {
			return nil, fmt.Errorf("gate %s: %w", p.Gate, err)
		}
		if len(next) > 0 {
			out[p.Gate] = next
		}
	}
	return out, nil
}
