package dora_test

import (
	"maps"
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

// middle is the median in minutes; −1 of none. It counts how many there are of each length.
func middle(lengths []int) float64 {
	if len(lengths) == 0 {
		return -1
	}
	counts := make([]int, slices.Max(lengths)+1)
	for _, l := range lengths {
		counts[l]++
	}
	at := func(rank int) int {
		for l, n := range counts {
			if rank -= n; rank <= 0 {
				return l
			}
		}
		return -1
	}
	n := len(lengths)
	return float64(at((n+1)/2)+at(n/2+1)) / 2
}

// oracleReport has what both are compared by.
type oracleReport struct {
	Deployments, Failed, Successful, Open, Undetermined, Rework, All int
	NotCounted                                                       map[dora.Outcome]int
	Signals                                                          map[dora.Signal]int
	Kinds                                                            map[dora.Rework]int
	Weeks                                                            int
	ActiveDays                                                       float64
	Intervals                                                        int
	Interval                                                         float64
	Changes                                                          int
	Bases                                                            map[dora.Basis]int
	Lead                                                             [6]oracleTimes // whole, then the segments
	Recovered                                                        int
	Recovery                                                         float64
	Unrecovered                                                      []string
	Unobserved                                                       int
}

type oracleTimes struct {
	Count, Negative, Unknown int
	Median                   float64
}

func (t *oracleTimes) add(lengths *[]int, from, to int, known bool) {
	switch {
	case !known:
		t.Unknown++
	case to < from:
		t.Negative++
	default:
		t.Count++
		*lengths = append(*lengths, to-from)
	}
}

func oracle(apps []*oracleApp, in func(dora.Application) bool, from, to int) oracleReport {
	r := oracleReport{NotCounted: map[dora.Outcome]int{}, Signals: map[dora.Signal]int{}, Kinds: map[dora.Rework]int{}, Bases: map[dora.Basis]int{}}
	inside := func(m int) bool { return m >= from && m < to }
	var deployed, recoveries []int
	changes := map[string]dora.Change{}
	for _, o := range apps {
		if !in(o.app) {
			continue
		}
		for i, op := range o.ops {
			for _, c := range op.Changes {
				changes[c.ID] = c
			}
			end := minuteOf(op.StartedAt)
			if !op.FinishedAt.IsZero() {
				end = minuteOf(op.FinishedAt)
			}
			if !inside(end) {
				continue
			}
			outcome := o.outcome(i)
			if o.class[i] != "deployment" {
				r.NotCounted[outcome]++
				continue
			}
			r.All++
			kinds := map[dora.Rework]bool{}
			for _, k := range op.Rework {
				kinds[k] = true
			}
			for k := range kinds {
				r.Kinds[k]++
			}
			r.Rework += min(1, len(kinds))
			if outcome != dora.OutcomeFailed {
				deployed = append(deployed, end)
			}
			switch {
			case o.open[i]:
				r.Open++
			case outcome == dora.OutcomeFailed:
				r.Failed++
				for s := range o.reasons[i] {
					r.Signals[s]++
				}
			case outcome == dora.OutcomeUndetermined:
				r.Undetermined++
			default:
				r.Successful++
			}
		}
		r.recoveries(o, inside, &recoveries)
	}
	r.Recovered = len(recoveries)
	r.Recovery = middle(recoveries)
	sort.Strings(r.Unrecovered)
	r.frequency(deployed, from, to)
	r.leadTimes(apps, in, changes, inside)
	return r
}

func (r *oracleReport) recoveries(o *oracleApp, inside func(int) bool, lengths *[]int) {
	previous, maybe, any := 0, false, false
	for i, op := range o.ops {
		if o.class[i] != "deployment" || o.outcome(i) != dora.OutcomeFailed {
			continue
		}
		late, soon := o.recovered(i, "unseen"), o.recovered(i, dora.Healthy)
		// Of two that never were seen to recover, the first may have in between.
		further := any && late == previous && !(late < 0 && maybe && soon < 0)
		previous, maybe, any = late, soon >= 0, true
		if further || !inside(minuteOf(op.FinishedAt)) {
			continue
		}
		switch {
		case late != soon:
			r.Unobserved++
		case late < 0:
			r.Unrecovered = append(r.Unrecovered, op.ID)
		default:
			*lengths = append(*lengths, late-minuteOf(op.FinishedAt))
		}
	}
}

func (r *oracleReport) frequency(deployed []int, from, to int) {
	sort.Ints(deployed)
	r.Deployments = len(deployed)
	var gaps []int
	for i := range deployed {
		if i > 0 {
			gaps = append(gaps, deployed[i]-deployed[i-1])
		}
	}
	r.Intervals, r.Interval = len(gaps), middle(gaps)
	// Minute 0 is the beginning of a Monday.
	active := map[int]map[int]bool{}
	for week := 0; week*7*day < to; week++ {
		if week*7*day >= from && (week+1)*7*day <= to {
			active[week] = map[int]bool{}
		}
	}
	for _, m := range deployed {
		if days, whole := active[m/(7*day)]; whole {
			days[m/day] = true
		}
	}
	var counts []int
	for _, days := range active {
		counts = append(counts, len(days))
	}
	r.Weeks, r.ActiveDays = len(counts), middle(counts)
}

func (r *oracleReport) leadTimes(apps []*oracleApp, in func(dora.Application) bool, changes map[string]dora.Change, inside func(int) bool) {
	var lengths [6][]int
	for _, id := range slices.Sorted(maps.Keys(changes)) {
		c := changes[id]
		best, soonest, synced, name := -1, -1, -1, ""
		for _, o := range apps {
			if !in(o.app) {
				continue
			}
			healthy, earliest, began, found := o.delivered(id)
			if !found {
				continue
			}
			if soonest < 0 || earliest < soonest {
				soonest = earliest
			}
			if best < 0 || healthy < best || (healthy == best && o.app.Name < name) {
				best, synced, name = healthy, began, o.app.Name
			}
		}
		if best < 0 || !inside(best) {
			continue
		}
		r.Changes++
		if !c.Committed.IsZero() {
			r.Bases[c.Basis]++
		}
		sure := best == soonest
		ct, ot, qt, mt := minuteOf(c.Committed), minuteOf(c.Opened), minuteOf(c.Quorum), minuteOf(c.Merged)
		hc, ho, hq, hm := !c.Committed.IsZero(), !c.Opened.IsZero(), !c.Quorum.IsZero(), !c.Merged.IsZero()
		r.Lead[0].add(&lengths[0], ct, best, hc && sure)
		r.Lead[1].add(&lengths[1], ct, ot, hc && ho)
		r.Lead[2].add(&lengths[2], ot, qt, ho && hq)
		r.Lead[3].add(&lengths[3], qt, mt, hq && hm)
		r.Lead[4].add(&lengths[4], mt, synced, hm)
		r.Lead[5].add(&lengths[5], synced, best, sure)
	}
	for i := range lengths {
		r.Lead[i].Median = middle(lengths[i])
	}
}
