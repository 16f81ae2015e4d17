package histories

import (
	"fmt"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// one picks a person.
func (w *world) one() string { return people[w.rng.IntN(len(people))] }

// often says yes in n of 100 cases.
func (w *world) often(n int) bool { return w.rng.IntN(100) < n }

func pick[T any](w *world, of []T) T { return of[w.rng.IntN(len(of))] }

// identity is how a person signs commits, sometimes with the address that GitHub
// made up, rarely with one that nobody has.
func (w *world) identity(who string) string {
	address := who + "@example.com"
	switch n := w.rng.IntN(40); {
	case n == 0:
		address = "nobody@example.org"
	case n < 6:
		address = fmt.Sprintf("%d+%s@users.noreply.github.com", w.ids[who], who)
	}
	return who + " <" + address + ">"
}

var (
	inside  = []string{"prod/values.yaml", "prod/deploy/app.yaml", "shared/common.yaml", "prod/new.yaml"}
	outside = []string{"stage/values.yaml", "stage/deploy/app.yaml", "shared/other.yaml", "README.md", "stage/new.yaml"}
)

// edits are one to three random changes of a tree.
func (w *world) edits(t tree) []edit {
	var out []edit
	for range 1 + w.rng.IntN(8)/6 + w.rng.IntN(12)/11 {
		out = append(out, w.edit(t)...)
	}
	return out
}

func (w *world) edit(t tree) []edit {
	path := pick(w, inside)
	if w.often(25) {
		path = pick(w, outside)
	}
	entry := t[path]
	switch n := w.rng.IntN(100); {
	case n < 3: // a folder becomes a link to another
		return []edit{{path: pick(w, []string{"prod", "shared"}), mode: "120000", content: "stage"}}
	case entry == "" || n < 12: // few contents, so that the same come again
		return []edit{put(path, pick(w, []string{"a\n", "b\n", path + "\n" + lines(8)}))}
	case n < 20:
		return []edit{{path: path, remove: true}}
	case n < 28: // a move, within the scope or over its border
		mode, object, _ := strings.Cut(entry, " ")
		to := pick(w, append(slices.Clone(inside), outside...))
		return []edit{{path: path, remove: true}, {path: to, mode: mode, object: object}}
	case n < 36:
		mode, object, _ := strings.Cut(entry, " ")
		return []edit{{path: path, mode: map[string]string{"100644": "100755", "100755": "100644", "120000": "100644"}[mode], object: object}}
	case n < 40:
		return []edit{{path: path, mode: "120000", content: pick(w, []string{"values.yaml", "../stage/values.yaml"})}}
	case n < 43: // the same content anew
		mode, object, _ := strings.Cut(entry, " ")
		return []edit{{path: path, mode: mode, object: object}}
	}
	mode, _, _ := strings.Cut(entry, " ")
	rows := strings.SplitAfter(w.git.content(path, entry), "\n")
	i := w.rng.IntN(len(rows))
	rows[i] = fmt.Sprintf("key%d: %d\n", i, w.rng.IntN(3)+1)
	return []edit{{path: path, mode: mode, content: strings.Join(rows, "")}}
}

func describe(edits []edit) string {
	var out []string
	for _, e := range edits {
		switch {
		case e.remove:
			out = append(out, "removes "+e.path)
		case e.mode == "120000":
			out = append(out, "links "+e.path)
		default:
			out = append(out, "writes "+e.path+" ("+e.mode+")")
		}
	}
	return strings.Join(out, ", ")
}

// write makes a commit of random edits by a person.
func (w *world) write(who string, tree string, edits []edit, parents ...string) (string, error) {
	if edits == nil {
		edits = w.edits(w.git.tree(parents[0]))
	}
	w.commits++
	author, message := w.identity(who), fmt.Sprintf("Change %d", w.commits)
	if w.often(8) {
		author = w.identity(w.one())
	}
	if w.often(10) {
		message += "\n\nCo-authored-by: " + w.identity(w.one())
	}
	return w.git.commit(newCommit{
		parents: parents, tree: tree, edits: edits, author: author, committer: w.identity(who), message: message, at: 1_700_000_000 + w.commits,
	})
}

// open is a random open pull request.
func (w *world) open() *pullRecord {
	return w.some(func(p *pullRecord) bool { return p.open })
}

// some is a random pull request that fits, of the newest most likely.
func (w *world) some(fits func(*pullRecord) bool) *pullRecord {
	var found []*pullRecord
	for _, p := range w.log.pulls {
		if fits(p) {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return nil
	}
	if w.often(60) {
		return found[len(found)-1]
	}
	return pick(w, found)
}

// settle notes what followed from an action: new heads by whoever acted, and
// which pull requests are open.
func (w *world) settle(actor string) error {
	now, err := w.gh.Pulls(repoName)
	if err != nil {
		return err
	}
	for _, p := range w.log.pulls {
		if !p.open {
			continue
		}
		i := slices.IndexFunc(now, func(o standin.Pull) bool { return o.Number == p.number })
		p.open, p.merged, p.base = now[i].State == "open", now[i].Merged, now[i].Base
		if tip := w.git.tip(p.branch); p.open && tip != "" && tip != p.head() {
			p.heads = append(p.heads, headRecord{tip, actor, w.log.seq})
		}
	}
	return nil
}
