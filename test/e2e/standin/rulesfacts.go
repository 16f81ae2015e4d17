package standin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
)

// diffEnds are the commits between which a pull request's diff lies.
type diffEnds struct{ from, to string }

// ruleFacts is what rules want to know of a pull request, as of its last refresh.
type ruleFacts struct {
	behind     bool      // the head lacks commits of the base branch
	paths      []string  // changed files, old names included
	codeOwners string    // CODEOWNERS of the base branch, read when a rule asks for it
	signed     []*commit // the commits, read when a rule asks for signatures
	ends       diffEnds
	changed    bool // the diff is another one than at the refresh before; known when a rule asks for it
}

// gatherFacts runs git for what the rules of the base branch need. Callers hold work.
func (s *Server) gatherFacts(ctx context.Context, pr *pull, rules branchRules, ends diffEnds, base string, commits []string, files []fileChange) (ruleFacts, error) {
	out := ruleFacts{behind: ends.from != base, ends: ends}
	for _, f := range files {
		out.paths = append(out.paths, f.path)
		if f.oldPath != "" {
			out.paths = append(out.paths, f.oldPath)
		}
	}
	git := pr.repo.git
	var err error
	if rules.codeOwners {
		if out.codeOwners, err = git.readCodeOwners(ctx, base); err != nil {
			return out, err
		}
	}
	if rules.signatures {
		if out.signed, err = git.commits(ctx, commits...); err != nil {
			return out, err
		}
	}
	s.mu.Lock()
	before := pr.ends
	s.mu.Unlock()
	if rules.dismissStale && before != (diffEnds{}) && before != ends {
		was, err := git.diffKey(ctx, before)
		if err != nil {
			return out, err
		}
		is, err := git.diffKey(ctx, ends)
		if err != nil {
			return out, err
		}
		out.changed = was != is
	}
	return out, nil
}

var diffPlace = regexp.MustCompile(`(?m)^@@ -[0-9,]+ \+[0-9,]+ @@.*$`)

// diffKey names a diff by what it adds and removes, wherever in its files that is: merging the base
// branch does not change it.
func (g *gitRepo) diffKey(ctx context.Context, ends diffEnds) (string, error) {
	if ends.from == "" {
		return "unrelated " + ends.to, nil
	}
	files, err := g.diff(ctx, ends.from, ends.to, true)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, f := range files {
		text := diffPlace.ReplaceAllString(f.patch, "@@")
		if f.patch == "" {
			text = f.sha
		}
		_, _ = fmt.Fprintf(sum, "%s\x00%s\x00%s\x00%s\x00", f.status, f.path, f.oldPath, text) // a hash takes everything
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// settleReviews stores the facts, and dismisses approvals of another diff where a rule says so:
// GitHub sets DISMISSED in place and names whoever pushed. It needs Server.mu.
func (s *Server) settleReviews(pr *pull, facts ruleFacts) {
	pr.ruleFacts = facts
	if !facts.changed {
		return
	}
	sender := s.lastPusher(pr)
	if sender == nil {
		sender = s.someOwner(pr.repo.owner)
	}
	for _, v := range pr.reviews {
		if v.state == "APPROVED" {
			s.overwrite(v, sender, "", pr.headSHA)
		}
	}
}
