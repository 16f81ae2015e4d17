package mirror

import (
	"context"
	"fmt"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// maxGraph bounds the commits of a range, those behind second parents included.
const maxGraph = 500_000

// Graph is the shape of a range: who has which parents. It answers for one
// landing after the other what a pull request brought, which costs git a process
// each time. It is not safe for concurrent use.
type Graph struct {
	index   map[approval.SHA]int32
	names   []approval.SHA
	parents [][]int32
	// known is how many commits have parents here; the others are behind the
	// beginning of the range.
	known int
	// landed are the commits that the line has so far.
	landed []bool
	// position counts the commits that are on the line itself; 0 is none of them.
	position []int32
	length   int32
	after    approval.SHA
	// seen tells the commits that the current walk has been at.
	seen []int32
	walk int32
}

// Graph reads the shape of everything that head and the tips have and after has
// not. Without after it goes back to the roots.
func (l *Local) Graph(ctx context.Context, after, head approval.SHA, tips []approval.SHA) (*Graph, error) {
	var request strings.Builder
	request.WriteString(string(head) + "\n")
	if after != "" {
		request.WriteString("^" + string(after) + "\n")
	}
	for _, tip := range tips {
		request.WriteString(string(tip) + "\n")
	}
	out, err := l.m.git.run(ctx, request.String(), "rev-list", "--parents", fmt.Sprintf("--max-count=%d", maxGraph+1), "--stdin")
	if err != nil {
		return nil, l.explain(fmt.Errorf("list the commits of the range: %w", err))
	}
	g := &Graph{index: map[approval.SHA]int32{}}
	var lines [][]approval.SHA
	for text := range strings.Lines(string(out)) {
		names, err := shas([]byte(strings.ReplaceAll(strings.TrimSuffix(text, "\n"), " ", "\n") + "\n"))
		if err != nil {
			return nil, fmt.Errorf("list the commits of the range: %w", err)
		}
		lines = append(lines, names)
		g.number(names[0])
	}
	if len(lines) > maxGraph {
		return nil, fmt.Errorf("the range has more than %d commits; name a later beginning", maxGraph)
	}
	g.known = len(g.names)
	g.parents = make([][]int32, g.known)
	for i, names := range lines {
		for _, parent := range names[1:] {
			g.parents[i] = append(g.parents[i], g.number(parent))
		}
	}
	g.landed, g.seen = make([]bool, len(g.names)), make([]int32, len(g.names))
	g.position = make([]int32, len(g.names))
	g.after = after
	g.Land(after)
	return g, nil
}

func (g *Graph) number(name approval.SHA) int32 {
	i, ok := g.index[name]
	if !ok {
		i = int32(len(g.names)) //nolint:gosec // bounded by a few times maxGraph
		g.index[name] = i
		g.names = append(g.names, name)
	}
	return i
}

// Own is what a pull request has that its base did not have.
type Own struct {
	// Commits are its commits, the tip first.
	Commits []approval.SHA
	// Bases are the commits of the base that they stand on, without those that are
	// known to be behind another one; a single one is the merge base.
	Bases []approval.SHA
	// Linear says that each commit is the parent of the one before it.
	Linear bool
	// Cut says that there are more commits than were asked for.
	Cut bool
}

// Own lists what a commit brings to the line as far as it has landed, at most
// limit commits. A commit that is not part of the graph is behind its beginning,
// so the line has it.
func (g *Graph) Own(tip approval.SHA, limit int) Own {
	start, ok := g.index[tip]
	if !ok || int(start) >= g.known || g.landed[start] {
		return Own{Bases: []approval.SHA{tip}, Linear: true}
	}
	own := Own{Linear: true}
	var bases []int32
	g.walk++
	stack := []int32{start}
	g.seen[start] = g.walk
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if int(at) >= g.known || g.landed[at] {
			bases = append(bases, at)
			continue
		}
		if len(own.Commits) == limit {
			own.Cut, own.Linear = true, false
			return own
		}
		own.Commits = append(own.Commits, g.names[at])
		own.Linear = own.Linear && len(g.parents[at]) == 1
		for _, parent := range g.parents[at] {
			if g.seen[parent] != g.walk {
				g.seen[parent] = g.walk
				stack = append(stack, parent)
			}
		}
	}
	for _, base := range g.newest(bases) {
		own.Bases = append(own.Bases, g.names[base])
	}
	return own
}

// newest leaves out what is behind another base. On the line each commit has all
// that came before it; of other commits nothing is known here.
func (g *Graph) newest(bases []int32) []int32 {
	last := int32(-1)
	for _, b := range bases {
		if g.position[b] == 0 {
			return bases
		}
		if last < 0 || g.position[b] > g.position[last] {
			last = b
		}
	}
	if last < 0 {
		return nil
	}
	return []int32{last}
}

// Rewind takes everything that landed back, to begin again.
func (g *Graph) Rewind() {
	clear(g.landed)
	clear(g.position)
	g.length = 0
	g.Land(g.after)
}

// Land adds a commit of the line, and all that it has, to what has landed. The
// commits of the line are to be added oldest first.
func (g *Graph) Land(commit approval.SHA) {
	start, ok := g.index[commit]
	if !ok {
		return
	}
	g.length++
	g.position[start] = g.length
	stack := []int32{start}
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if g.landed[at] {
			continue
		}
		g.landed[at] = true
		if int(at) < g.known {
			stack = append(stack, g.parents[at]...)
		}
	}
}
