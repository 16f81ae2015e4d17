package approval

// trust follows the paths in scope along a line.
type trust struct {
	paths map[string]int // index in list
	list  []pathTrust
	// dirty counts the paths without trusted content, moved those whose content is
	// not that of the baseline.
	dirty, moved int
	// doubts are those on the images of the trusted content of a path, by its index in
	// list; doubtful counts them. Only a gate with an image quorum has any.
	doubts   map[int][]doubt
	doubtful int
	// on tells for a landing that is approved but builds on content that is not, by its
	// index, which landing brought that content.
	on map[int]*Landing
	// restores are the landings, by index, that gave back what was rolled back to.
	restores map[int]bool
}

// pathTrust follows one path along a line.
type pathTrust struct {
	// What the path held at the baseline, what was trusted last, and what it
	// holds: entries of the changes.
	baseline, trusted, current *Entry
	// by is the landing that made the path dirty.
	by *Landing
	// at is the index of the landing that changed it last.
	at           int
	dirty, moved bool
}

func newTrust(landings int) *trust {
	return &trust{paths: make(map[string]int, landings), list: make([]pathTrust, 0, landings)}
}

// of is the index of a path in the list, with its state before a change of it.
func (t *trust) of(c *Change) int {
	n, ok := t.paths[c.Path]
	if !ok {
		n = len(t.list)
		t.paths[c.Path] = n
		t.list = append(t.list, pathTrust{baseline: &c.Before, trusted: &c.Before, current: &c.Before, at: -1})
	}
	return n
}

// follow takes the changes of landing i, of which judged says whether it is
// approved, and adds to judged what only the history before it tells. It returns
// false when the changes do not fit to that history.
func (j *judge) follow(t *trust, i int, landing *Landing, changes []*Change, judged judgedLanding) (Finding, bool) {
	approved := judged.decision.Verdict == Allowed
	spoils, spoilt := false, (*Landing)(nil)
	for _, c := range changes {
		n := t.of(c)
		p := &t.list[n]
		if !p.current.same(&c.Before) || p.at == i {
			return Finding{
				Code: CodeLineBroken, Verdict: Unknown, Commit: landing.Commit,
				Text: "the history of " + oneLine(c.Path) + " does not fit together at " + landing.Commit.Short(),
			}, false
		}
		was, wasMoved := p.dirty, p.moved
		p.current, p.moved, p.at = &c.After, !c.After.same(p.baseline), i
		switch {
		case approved && !was:
			p.trusted = &c.After
			if j.policy.Image != nil {
				t.doubt(n, j.doubts(t.doubts[n], p.baseline, c, i))
			}
		case approved && !c.After.same(p.trusted):
			t.buildsOn(i, p.by)
			if j.explain {
				judged.finding.Children = append(judged.finding.Children, Finding{
					Code: CodeLandingUntrusted, Verdict: Blocked, Commit: p.by.Commit,
					Text: "it changes " + oneLine(c.Path) + " on top of " + p.by.Commit.Short() + ", which is not approved",
				})
			}
		default:
			if p.dirty = !c.After.same(p.trusted); p.dirty && !was {
				p.by, spoils = landing, true
			}
		}
		if was {
			spoilt = p.by
		}
		t.dirty += count(p.dirty) - count(was)
		t.moved += count(p.moved) - count(wasMoved)
	}
	if f := judged.finding; spoilt != nil && !spoils && (f.Code == CodeLandingDirect || f.Code == CodeLandingMismatch) {
		// To take this one back would bring back what an earlier one did.
		f.Remedy = j.textf(func() string { return "clear " + spoilt.Commit.Short() + " first" })
	}
	return Finding{}, true
}

// doubt replaces the doubts on a path.
func (t *trust) doubt(path int, doubts []doubt) {
	before := len(t.doubts[path])
	if before+len(doubts) == 0 {
		return
	}
	t.doubtful += len(doubts) - before
	if t.doubts == nil {
		t.doubts = map[int][]doubt{}
	}
	t.doubts[path] = doubts
}

// buildsOn says of a landing on which other one it builds; the first one counts.
func (t *trust) buildsOn(landing int, by *Landing) {
	if t.on == nil {
		t.on = map[int]*Landing{}
	}
	if t.on[landing] == nil {
		t.on[landing] = by
	}
}

// restore trusts the content of the baseline again, if a landing left all paths like
// that which the Application is rendered from: together they are what was approved, and
// deployed again by a rollback. A path alone is not enough, since old and new content
// together were approved by nobody.
func (t *trust) restore(reads []Read, of RepositoryName, landing int) {
	if len(reads) == 0 || t.dirty == 0 {
		return
	}
	cleans := false
	for path, n := range t.paths {
		if Covers(reads, of, path) {
			if t.list[n].moved {
				return
			}
			cleans = cleans || t.list[n].dirty
		}
	}
	if !cleans {
		return
	}
	for path, n := range t.paths {
		if p := &t.list[n]; Covers(reads, of, path) {
			t.dirty -= count(p.dirty)
			p.trusted, p.dirty = p.baseline, false
			t.doubt(n, nil)
		}
	}
	if t.restores == nil {
		t.restores = map[int]bool{}
	}
	t.restores[landing] = true
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
