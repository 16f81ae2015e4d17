package dora_test

import (
	"slices"
	"sort"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

// The oracle computes the same metrics in another way, and shares no code with the
// package. It has no intervals: health is an array with one status for each minute of
// the year, and every rule is a counter that walks over it minute by minute. What a sync
// left live is found by looking back from each operation, each change is followed alone,
// and medians are found by counting. It works on whole minutes only.

type oracleApp struct {
	app    dora.Application
	ops    []dora.Operation
	until  int
	status []dora.Health // by minute; "" where nobody watched
	// By operation.
	class   []string
	open    []bool
	reasons []map[dora.Signal]int // signal → minute at which it was known first
	onset   []int
	// What delivered found, by change.
	found map[string][4]int
}

func minuteOf(t time.Time) int { return int(t.Sub(begin) / time.Minute) }

func newOracle(app dora.Application, until int) *oracleApp {
	o := &oracleApp{app: app, until: until, status: make([]dora.Health, until)}
	o.ops = slices.Clone(app.Operations)
	sort.SliceStable(o.ops, func(i, j int) bool {
		if !o.ops[i].StartedAt.Equal(o.ops[j].StartedAt) {
			return o.ops[i].StartedAt.Before(o.ops[j].StartedAt)
		}
		return o.ops[i].ID < o.ops[j].ID
	})
	for i, op := range o.ops {
		if minuteOf(op.StartedAt) > until {
			o.ops = o.ops[:i]
			break
		}
	}
	// What happened at each minute; the worst of several wins.
	happened := map[int]dora.Health{}
	worse := map[dora.Health]int{dora.Healthy: 0, dora.Unknown: 1, dora.Suspended: 2, dora.Progressing: 3, dora.Missing: 4, dora.Degraded: 5}
	for _, h := range app.Health {
		m := minuteOf(h.At)
		if have, found := happened[m]; !found || worse[h.Status] > worse[have] {
			happened[m] = h.Status
		}
	}
	var now dora.Health
	for m := range until {
		if h, found := happened[m]; found {
			now = h
		}
		o.status[m] = now
	}
	for _, g := range app.Gaps {
		for m := minuteOf(g.From); m < minuteOf(g.To); m++ {
			if m >= 0 && m < until {
				o.status[m] = ""
			}
		}
	}
	n := len(o.ops)
	o.class, o.open, o.reasons, o.onset = make([]string, n), make([]bool, n), make([]map[dora.Signal]int, n), make([]int, n)
	for i := range o.ops {
		o.reasons[i], o.onset[i] = map[dora.Signal]int{}, -1
		o.class[i] = o.classOf(i)
	}
	for i := range o.ops {
		if o.class[i] == "deployment" {
			o.judge(i)
		}
	}
	return o
}

func (o *oracleApp) ended(i int) bool {
	op := o.ops[i]
	return op.Phase != "" && !op.FinishedAt.IsZero() && minuteOf(op.FinishedAt) <= o.until
}

// liveBefore looks back for what is known to be live; nil when it is a mixture.
func (o *oracleApp) liveBefore(i int) *dora.Target {
	for j := i - 1; j >= 0; j-- {
		switch o.class[j] {
		case "deployment":
			if o.ops[j].Phase == dora.Succeeded {
				return &o.ops[j].Target
			}
			return nil
		case "retry", "applied-unknown", "contradictory", "running-other", "aborted-dirty":
			return nil
		}
	}
	return o.app.Live
}

func same(a, b dora.Target) bool {
	if len(a.Revisions) != len(b.Revisions) {
		return false
	}
	for i := range a.Revisions {
		if a.Revisions[i] != b.Revisions[i] {
			return false
		}
	}
	if a.Images == nil || b.Images == nil {
		return true
	}
	count := map[string]int{}
	for _, i := range a.Images {
		count[i]++
	}
	for _, i := range b.Images {
		count[i]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

func (o *oracleApp) classOf(i int) string {
	op := o.ops[i]
	if op.DryRun {
		return "dry-run"
	}
	live := o.liveBefore(i)
	already := live != nil && same(*live, op.Target)
	if !o.ended(i) {
		if already || op.Partial {
			return "running"
		}
		return "running-other"
	}
	if op.FinishedAt.Before(op.StartedAt) {
		return "contradictory"
	}
	if op.Partial {
		return "partial"
	}
	if op.Terminated {
		if already || op.Applied == dora.AppliedNone {
			return "aborted"
		}
		return "aborted-dirty"
	}
	if already {
		return "same-revision"
	}
	if op.Phase == dora.Succeeded {
		return "deployment"
	}
	switch op.Applied {
	case dora.AppliedNone:
		return "not-applied"
	case "":
		return "applied-unknown"
	case dora.AppliedSome:
	}
	for j := i - 1; j >= 0; j-- {
		if o.class[j] == "deployment" {
			if o.ops[j].Phase != dora.Succeeded && same(o.ops[j].Target, op.Target) {
				return "retry"
			}
			break
		}
	}
	return "deployment"
}

// superseded is the minute at which the next operation that may change something began.
func (o *oracleApp) superseded(i int) (int, bool) {
	for j := i + 1; j < len(o.ops); j++ {
		switch o.class[j] {
		case "deployment", "retry", "applied-unknown", "contradictory", "running-other", "aborted-dirty":
			return minuteOf(o.ops[j].StartedAt), true
		}
	}
	return 0, false
}

func (o *oracleApp) read(m int, unseen dora.Health) dora.Health {
	if m < 0 || m >= len(o.status) || o.status[m] == "" {
		return unseen
	}
	return o.status[m]
}
