package policytest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Case is one example, ready to be decided on.
type Case struct {
	Name string `json:"name"`
	// Line is where the example is in its file.
	Line   int             `json:"line"`
	Policy approval.Policy `json:"policy"`
	Facts  approval.Facts  `json:"facts"`
	Want   Want            `json:"want"`
}

// Want is what the decision has to be.
type Want struct {
	Verdict approval.Verdict `json:"verdict"`
	Because []approval.Code  `json:"because,omitempty"`
	Text    []string         `json:"text,omitempty"`
	// Target is the landing that the candidate has to reach; nil for the head of
	// every line.
	Target *Target `json:"target,omitempty"`
}

// Target is a landing.
type Target struct {
	Landing  string            `json:"landing"`
	Revision approval.Revision `json:"revision"`
}

// Parse decodes a table strictly. The document is for Compile, which finds
// mistakes about what the table means. The error is a *config.Error.
func Parse(name string, data []byte) (File, *config.Document, error) {
	var f File
	d, err := config.DecodeStrict(name, "the table of policy tests", data, &f, "people and tests")
	return f, d, err
}

// Compile makes a case of each test. The error is a *config.Error with every
// mistake that was found.
func Compile(f File, d *config.Document, policies []approval.Policy) ([]Case, error) {
	b := &builder{file: f, doc: d, policies: policies}
	b.people()
	if len(f.Tests) == 0 {
		d.Mistake(config.At{"tests"}, "there is no test, so nothing could fail; write at least one under tests")
	}
	names := map[string]bool{}
	var cases []Case
	for i := range f.Tests {
		t, at := &f.Tests[i], config.At{"tests", i}
		switch {
		case strings.TrimSpace(t.Name) == "":
			d.Mistake(at, "this test has no name; write what it shows")
		case names[t.Name]:
			d.Mistake(at.Down("name"), "test %q exists twice; give each test a name of its own", t.Name)
		}
		names[t.Name] = true
		if c, ok := b.test(t, at); ok {
			cases = append(cases, c)
		}
	}
	if err := d.Err(); err != nil {
		return nil, err
	}
	return cases, nil
}

// builder makes facts of examples.
type builder struct {
	file     File
	doc      *config.Document
	policies []approval.Policy
	users    map[string]approval.User // by login in lower case
	logins   []string                 // in the order of their IDs
}

// one says that a word is one of those that are possible.
func (b *builder) one(at config.At, what, word string, possible ...string) bool {
	if slices.Contains(possible, word) {
		return true
	}
	b.doc.Mistake(at, "%s %q is not known; %s", what, word, config.Suggest(word, possible))
	return false
}

// gateOf finds the gate of a test.
func (b *builder) gateOf(t *Test, at config.At) (approval.Policy, bool) {
	name, where := t.Gate, at.Down("gate")
	if name == "" {
		name, where = b.file.Defaults.Gate, config.At{"defaults", "gate"}
	}
	names := make([]string, len(b.policies))
	for i, p := range b.policies {
		names[i] = p.Gate
	}
	if name == "" && len(names) == 1 {
		name = names[0]
	}
	if name == "" {
		b.doc.Mistake(at, "the configuration has %d gates; say which one with gate: %s", len(names), strings.Join(names, " or gate: "))
		return approval.Policy{}, false
	}
	if !b.one(where, "the gate", name, names...) {
		return approval.Policy{}, false
	}
	return b.policies[slices.Index(names, name)], true
}

// test makes one case. It is false after a mistake.
func (b *builder) test(t *Test, at config.At) (Case, bool) {
	p, ok := b.gateOf(t, at)
	if !ok {
		return Case{}, false
	}
	h := newHistory(b, p)
	levels := []level{{t.Change, at}, {b.file.Defaults.Change, config.At{"defaults"}}}
	if t.Landings == nil {
		h.land(t.Name, "", merge(levels...), at)
	}
	for i := range t.Landings {
		l, where := &t.Landings[i], at.Down("landings", i)
		switch _, twice := h.landed[l.Name]; {
		case strings.TrimSpace(l.Name) == "":
			b.doc.Mistake(where, "this landing has no name; target and undoes need one")
			continue
		case twice:
			b.doc.Mistake(where.Down("name"), "landing %q exists twice in this test; give each a name of its own", l.Name)
			continue
		}
		if l.Undoes != "" {
			// What is undone says which paths it is about, and where.
			levels := slices.Clone(levels)
			for i := range levels {
				levels[i].change = levels[i].change.withoutPaths()
			}
			h.land(l.Name, l.Undoes, merge(append([]level{{l.Change, where}}, levels...)...), where)
			continue
		}
		h.land(l.Name, "", merge(append([]level{{l.Change, where}}, levels...)...), where)
	}
	if t.Landings != nil && len(t.Landings) == 0 {
		b.doc.Mistake(at.Down("landings"), "landings is empty; write what landed, or leave it out")
	}
	facts := approval.Facts{CollectedAt: h.clock, Directory: b.directory(p, h), Application: b.application(t, at, p, h), Spec: b.spec(t, at)}
	facts.Calendar = openCalendar(&p)
	for _, s := range facts.Application.Sources {
		l, ok := h.lines[strings.ToLower(string(s.Repository))]
		if ok && !slices.ContainsFunc(facts.Lines, func(o approval.Line) bool { return o.Repository.Equal(l.Repository) }) {
			facts.Lines = append(facts.Lines, *l)
		}
	}
	for _, l := range h.lines {
		if len(l.Landings) > 0 && !slices.ContainsFunc(facts.Application.Sources, func(s approval.Source) bool { return s.Repository.Equal(l.Repository) }) {
			b.doc.Mistake(at, "no source of the Application is in %s, so what landed there could not matter; add it to application.sources", l.Repository)
		}
	}
	facts.Images = h.images
	for i, m := range t.Missing {
		if strings.TrimSpace(m) == "" {
			b.doc.Mistake(at.Down("missing", i), "say what could not be read, for example: the history of main")
		}
		facts.Missing = append(facts.Missing, approval.Missing{What: m, Why: "the test says so"})
	}
	c := Case{Name: t.Name, Line: b.doc.Line(at), Policy: p, Facts: facts}
	c.Want = b.want(t, at, h)
	if !b.readsUnknown(t) {
		c.Facts.Closure = closure(p, c.Facts)
	}
	return c, true
}

// closure is what the prospective candidate is rendered from: all that the
// sources say.
func closure(p approval.Policy, f approval.Facts) *approval.Closure {
	prospect, ok := approval.Prospect(p, f)
	if !ok {
		return nil
	}
	c := &approval.Closure{Revisions: prospect.Revisions}
	for _, s := range f.Application.Sources {
		c.Reads = append(c.Reads, s.Reads...)
	}
	return c
}

func (b *builder) want(t *Test, at config.At, h *history) Want {
	w := Want{Verdict: approval.Verdict(t.Want), Text: t.Text}
	if t.Want == "" {
		b.doc.Mistake(at, "the test %q does not say what it wants; write want: allowed, blocked or unknown", t.Name)
	} else {
		b.one(at.Down("want"), "the verdict", t.Want, string(approval.Allowed), string(approval.Blocked), string(approval.Unknown))
	}
	for i, code := range t.Because {
		if b.one(at.Down("because", i), "the code", code, codes()...) {
			w.Because = append(w.Because, approval.Code(code))
		}
	}
	for i, text := range t.Text {
		if strings.TrimSpace(text) == "" {
			b.doc.Mistake(at.Down("text", i), "an empty text is in every decision; write words that must be there")
		}
	}
	switch {
	case t.Target == "":
	case w.Verdict != approval.Allowed:
		b.doc.Mistake(at.Down("target"), "target says how far the candidate reaches, and there is none unless want is allowed")
	case b.one(at.Down("target"), "the landing", t.Target, h.names...):
		l := h.landed[t.Target]
		w.Target = &Target{Landing: t.Target, Revision: approval.Revision{Repository: l.repository, SHA: l.landing.Commit}}
	}
	return w
}

// sha is an object name that people can recognise by its beginning.
func sha(format string, args ...any) approval.SHA {
	prefix := fmt.Sprintf(format, args...)
	return approval.SHA(prefix + strings.Repeat("0", 40-len(prefix)))
}
