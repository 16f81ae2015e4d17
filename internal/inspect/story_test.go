package inspect

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
)

// story is a repository that is written from a few lines of text:
//
//	commit NAME on PARENT[,PARENT...] "message" path=content -path ...
//	merge NAME on PARENT,HEAD "message"
//	squash NAME on PARENT,HEAD "message"
//	ref refs/pull/1/head NAME
//
// A commit has its first parent's files but for the edits, in which "~" is a line
// break and "␣" a space; "exec:", "link:" and
// "sub:" before the content make other than ordinary files. merge and squash are
// what git makes of the two. "as=NAME" takes author and date of another commit, and
// "by=github" makes GitHub the committer, as its web interface does.
type story struct {
	t     testing.TB
	dir   string
	names map[string]approval.SHA
	when  map[string]int
	clock int
}

func tell(t testing.TB, text string) *story {
	t.Helper()
	s := &story{t: t, dir: filepath.Join(t.TempDir(), "repository.git"), names: map[string]approval.SHA{}, when: map[string]int{}, clock: 1_700_000_000}
	git(t, "", "init", "--quiet", "--bare", "--initial-branch=main", s.dir)
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			s.do(line)
		}
	}
	return s
}

func (s *story) do(line string) {
	s.t.Helper()
	before, quoted, isCommit := strings.Cut(line, `"`)
	words := strings.Fields(before)
	if !isCommit {
		require.Len(s.t, words, 3, line)
		require.Equal(s.t, "ref", words[0], line)
		git(s.t, s.dir, "update-ref", words[1], string(s.names[words[2]]))
		return
	}
	end := strings.Index(quoted, "\" ")
	if end < 0 {
		end = len(quoted) - 1
	}
	for end > 0 && quoted[end-1] == '\\' {
		end += 1 + strings.Index(quoted[end+1:], "\"")
	}
	message, err := strconv.Unquote(`"` + quoted[:end] + `"`)
	require.NoError(s.t, err, line)
	var parents []approval.SHA
	if len(words) > 3 {
		for name := range strings.SplitSeq(words[3], ",") {
			require.Contains(s.t, s.names, name, line)
			parents = append(parents, s.names[name])
		}
	}
	s.commit(words[0], words[1], message, parents, strings.Fields(quoted[end+1:]))
}

func (s *story) commit(verb, name, message string, parents []approval.SHA, edits []string) {
	s.clock += 60
	author, when, committer := "Dev <dev@example.com>", s.clock, "Dev <dev@example.com>"
	var changes strings.Builder
	for _, e := range edits {
		path, content, isEdit := strings.Cut(e, "=")
		switch {
		case path == "as":
			when = s.when[content]
		case path == "by":
			committer = "GitHub <noreply@github.com>"
		case !isEdit:
			fmt.Fprintf(&changes, "D %s\n", path[1:])
		default:
			mode, kind, data := "100644", "", content
			if before, rest, ok := strings.Cut(content, ":"); ok && strings.Contains("exec link sub", before) {
				kind, data = before, rest
			}
			data = strings.NewReplacer("~", "\n", "␣", " ").Replace(data)
			switch kind {
			case "exec":
				mode = "100755"
			case "link":
				mode = "120000"
			case "sub":
				fmt.Fprintf(&changes, "M 160000 %s %s\n", strings.Repeat(data, 40), path)
				continue
			}
			fmt.Fprintf(&changes, "M %s inline %s\ndata %d\n%s\n", mode, path, len(data), data)
		}
	}
	s.when[name] = when
	if verb != "commit" {
		require.Len(s.t, parents, 2)
		out := git(s.t, s.dir, "merge-tree", "--write-tree", string(parents[0]), string(parents[1]))
		fmt.Fprintf(&changes, "M 040000 %s \n", strings.Fields(out)[0])
		if verb == "squash" {
			parents = parents[:1]
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "commit refs/scratch/x\nmark :1\nauthor %s %d +0000\ncommitter %s %d +0000\ndata %d\n%s\n", author, when, committer, s.clock, len(message), message)
	for i, p := range parents {
		fmt.Fprintf(&b, "%s %s\n", []string{"from", "merge"}[min(i, 1)], p)
	}
	if len(parents) == 0 {
		b.WriteString("deleteall\n")
	}
	b.WriteString(changes.String() + "\nget-mark :1\n")
	if len(parents) == 0 {
		gitInput(s.t, s.dir, "reset refs/scratch/x\nfrom "+strings.Repeat("0", 40)+"\n\n", "fast-import", "--quiet", "--force")
	}
	sha, err := approval.ParseSHA(gitInput(s.t, s.dir, b.String(), "fast-import", "--quiet", "--force"))
	require.NoError(s.t, err)
	git(s.t, s.dir, "update-ref", "-d", "refs/scratch/x")
	s.names[name] = sha
}

// inspect inspects a range of names.
func (s *story) inspect(after, head string, o Options) ([]Landing, Summary) {
	s.t.Helper()
	repo := openLocal(s.t, s.dir)
	o.After, o.Head = s.names[after], s.names[head]
	if o.Head == "" {
		var err error
		o.Head, err = repo.Resolve(s.t.Context(), head)
		require.NoError(s.t, err)
	}
	var landings []Landing
	summary, err := Run(s.t.Context(), repo, o, func(l Landing) error {
		landings = append(landings, l)
		return nil
	})
	require.NoError(s.t, err)
	return landings, summary
}

func openLocal(t testing.TB, dir string) *mirror.Local {
	t.Helper()
	repo, err := mirror.OpenLocal(t.Context(), mirror.LocalOptions{Dir: dir, Scratch: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, repo.Close()) })
	return repo
}
