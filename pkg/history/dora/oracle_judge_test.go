package dora_test

import (
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

func (o *oracleApp) judge(i int) {
	op := o.ops[i]
	from := minuteOf(op.FinishedAt)
	next, gone := o.superseded(i)
	ends := o.until
	if gone && next < ends {
		ends = next
	}
	o.open[i] = !gone && o.until < from+60
	doubt := false
	if op.Phase != dora.Succeeded {
		o.reasons[i][dora.SignalSync] = from
	} else {
		doubt = o.judgeHealth(i, from, ends, gone)
	}
	for k := i + 1; k < len(o.ops); k++ {
		if o.class[k] == "deployment" && o.names(k, i) {
			began := minuteOf(o.ops[k].StartedAt)
			if began >= from && began-from <= 7*day {
				if _, found := o.reasons[i][dora.SignalRemediated]; !found {
					o.reasons[i][dora.SignalRemediated] = began
				}
			}
		}
	}
	marked, when := false, -1
	for _, m := range o.app.Marks {
		if t := minuteOf(m.At); m.Operation == op.ID && t <= o.until && (t > when || (t == when && m.Failed)) {
			marked, when = m.Failed, t
		}
	}
	if marked {
		o.reasons[i][dora.SignalMarked] = when
	}
	switch {
	case len(o.reasons[i]) > 0:
		o.class[i] = "deployment" // failed
	case o.open[i]:
	case doubt:
		o.class[i] = "deployment"
		o.reasons[i] = nil // marks what cannot be known
	}
}

func (o *oracleApp) judgeHealth(i, from, ends int, gone bool) (doubt bool) {
	before := o.read(minuteOf(o.ops[i].StartedAt), "unseen")
	if told := o.ops[i].Before; told != "" {
		before = told
	}
	ill := func(h dora.Health) bool { return h == dora.Degraded || h == dora.Missing }
	count := func(unseen dora.Health) int { // the minute at which the grace was over
		c := 0
		for m := from; m < from+60 && m < ends; m++ {
			if !ill(o.read(m, unseen)) {
				c = 0
				continue
			}
			if c++; c == 5 {
				return m + 1
			}
		}
		return -1
	}
	if over := count(dora.Healthy); over >= 0 && before == dora.Healthy {
		o.reasons[i][dora.SignalDegraded] = over
		o.onset[i] = over - 5
	} else if (before == dora.Healthy || before == "unseen") && count(dora.Degraded) >= 0 {
		doubt = true
	}
	clock := func(unseen dora.Health) (missed int, running bool) {
		c := 0
		for m := from; m < ends; m++ {
			h := o.read(m, unseen)
			if h == dora.Healthy {
				return -1, false
			}
			if m >= from+60 && h != dora.Progressing && h != dora.Suspended {
				return -1, false
			}
			if h == dora.Progressing {
				if c == 30 {
					return m, false
				}
				c++
			}
		}
		if ends < from+60 {
			return -1, true
		}
		last := o.read(ends-1, unseen)
		return -1, ends > from && (last == dora.Progressing || last == dora.Suspended)
	}
	if missed, _ := clock(dora.Healthy); missed >= 0 {
		o.reasons[i][dora.SignalNeverHealthy] = missed
		o.onset[i] = from
	}
	missed, running := clock(dora.Progressing)
	o.open[i] = o.open[i] || (!gone && running)
	return doubt || missed >= 0
}

// names says whether the deployment k blames the earlier one i.
func (o *oracleApp) names(k, i int) bool {
	rollback := slices.Contains(o.ops[k].Rework, dora.Rollback)
	if !rollback && !slices.Contains(o.ops[k].Rework, dora.Revert) && !slices.Contains(o.ops[k].Rework, dora.Hotfix) {
		return false
	}
	between := 0
	for j := i + 1; j < k; j++ {
		if o.class[j] == "deployment" {
			between++
		}
	}
	if rollback && between == 0 {
		return true
	}
	for _, b := range o.ops[k].Blames {
		if b == o.ops[i].ID {
			return true
		}
		if o.shipsChange(i, b) && !slices.ContainsFunc(slices.Collect(seq(i+1, k)), func(j int) bool {
			return o.class[j] == "deployment" && o.shipsChange(j, b)
		}) {
			return true
		}
	}
	return false
}

func seq(from, to int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := from; i < to; i++ {
			if !yield(i) {
				return
			}
		}
	}
}

func (o *oracleApp) shipsChange(i int, id string) bool {
	for _, c := range o.ops[i].Changes {
		if c.ID == id {
			return true
		}
	}
	return false
}

// outcome of an operation, in the package's words.
func (o *oracleApp) outcome(i int) dora.Outcome {
	switch c := o.class[i]; c {
	case "running-other":
		return dora.OutcomeRunning
	case "aborted-dirty":
		return dora.OutcomeAborted
	case "deployment":
		switch {
		case o.reasons[i] == nil:
			return dora.OutcomeUndetermined
		case len(o.reasons[i]) > 0:
			return dora.OutcomeFailed
		case o.open[i]:
			return dora.OutcomeOpen
		default:
			return dora.OutcomeSucceeded
		}
	default:
		return dora.Outcome(c)
	}
}

// recovered is the minute from which on it was Healthy for 5; −1 when it never was.
func (o *oracleApp) recovered(i int, unseen dora.Health) int {
	from := o.onset[i]
	for k := i + 1; from < 0 && k < len(o.ops); k++ {
		if o.class[k] == "deployment" && o.ops[k].Phase == dora.Succeeded {
			from = minuteOf(o.ops[k].FinishedAt)
		}
	}
	if from < 0 {
		return -1
	}
	c := 0
	for m := from; m < o.until; m++ {
		if o.read(m, unseen) != dora.Healthy {
			c = 0
			continue
		}
		if c++; c == 5 {
			return m - 4
		}
	}
	return -1
}

// delivered follows one change: the minute at which it was Healthy first, the earliest at
// which it may have been, and when its first sync began.
func (o *oracleApp) delivered(id string) (healthy, earliest, synced int, found bool) {
	if have, known := o.found[id]; known {
		return have[0], have[1], have[2], have[3] == 1
	}
	if o.found == nil {
		o.found = map[string][4]int{}
	}
	defer func() {
		o.found[id] = [4]int{healthy, earliest, synced, map[bool]int{true: 1}[found]}
	}()
	healthy, earliest, synced = -1, -1, -1
	for i := range o.ops {
		if o.class[i] != "deployment" {
			continue
		}
		if slices.Contains(o.ops[i].Rework, dora.Rollback) {
			synced, earliest = -1, -1
			continue
		}
		if synced < 0 {
			if !o.shipsChange(i, id) {
				continue
			}
			synced = minuteOf(o.ops[i].StartedAt)
		}
		if o.ops[i].Phase != dora.Succeeded {
			continue
		}
		ends := o.until
		if next, gone := o.superseded(i); gone && next < ends {
			ends = next
		}
		for m := minuteOf(o.ops[i].FinishedAt); m < ends; m++ {
			h := o.read(m, "unseen")
			if earliest < 0 && (h == dora.Healthy || h == "unseen") {
				earliest = m
			}
			if h == dora.Healthy {
				return m, earliest, synced, true
			}
		}
	}
	return 0, 0, 0, false
}
