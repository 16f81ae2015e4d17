package approval

// trust follows the paths in scope along a line.
type trust struct {
	paths map[string]int // index in list
	list  []pathTrust
	// dirty counts the paths without trusted content, moved those whose content is
	// not that of the baseline.
	// doubtful counts the doubts on images.
	dirty, moved, doubtful int
	// on tells for each landing that is approved but builds on content that is not,
	// which landing brought that content.
	on []*Landing
}

// pathTrust follows one path along a line.
type pathTrust struct {
	// What the path held at the baseline, what was trusted last, and what it
	// holds: entries of the changes.
	baseline, trusted, current *Entry
	dirty, moved               bool
	// by is the landing that made the path dirty.
	by *Landing
	// at is the index of the landing that changed it last.
	at int
	// doubts are those on the images of its trusted content.
	doubts []doubt
}

func newTrust(landings int) *trust {
	return &trust{paths: make(map[string]int, landings), list: make([]pathTrust, 0, landings), on: make([]*Landing, landings)}
}

// of is the state of a path before a change of it.
func (t *trust) of(c *Change) *pathTrust {
	i, ok := t.paths[c.Path]
	if !ok {
		i = len(t.list)
		t.paths[c.Path] = i
		t.list = append(t.list, pathTrust{baseline: &c.Before, trusted: &c.Before, current: &c.Before, at: -1})
	}
	return &t.list[i]
}

// follow takes the changes of landing i, of which judged says whether it is
// approved, and adds to judged what only the history before it tells. It returns
// false when the changes do not fit to that history.
func (j *judge) follow(t *trust, i int, landing *Landing, changes []*Change, judged judgedLanding) (Finding, bool) {
	approved := judged.decision.Verdict == Allowed
	spoils, spoilt := false, (*Landing)(nil)
	for _, c := range changes {
		p := t.of(c)
		if *p.current != c.Before || p.at == i {
			return Finding{
				Code: CodeLineBroken, Verdict: Unknown, Commit: landing.Commit,
				Text: "the history of " + oneLine(c.Path) + " does not fit together at " + landing.Commit.Short(),
			}, false
		}
		was, wasMoved := p.dirty, p.moved
		p.current, p.moved, p.at = &c.After, c.After != *p.baseline, i
		switch {
		case approved && !was:
			p.trusted = &c.After
			doubtful := len(p.doubts)
			j.doubts(p, c, i)
			t.doubtful += len(p.doubts) - doubtful
		case approved && c.After != *p.trusted:
			if t.on[i] == nil {
				t.on[i] = p.by
			}
			if j.explain {
				judged.finding.Children = append(judged.finding.Children, Finding{
					Code: CodeLandingUntrusted, Verdict: Blocked, Commit: p.by.Commit,
					Text: "it changes " + oneLine(c.Path) + " on top of " + p.by.Commit.Short() + ", which is not approved",
				})
			}
		default:
			if p.dirty = c.After != *p.trusted; p.dirty && !was {
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

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
