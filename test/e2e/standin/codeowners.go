package standin

import (
	"bytes"
	"context"
	"slices"
	"strings"
)

// codeOwnerFiles is where GitHub looks, in this order.
var codeOwnerFiles = []string{".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"}

// maxCodeOwners is the size in bytes above which GitHub ignores the file.
const maxCodeOwners = 3 << 20

// readCodeOwners reads the file of a commit; "" when there is none.
func (g *gitRepo) readCodeOwners(ctx context.Context, sha string) (string, error) {
	for _, name := range codeOwnerFiles {
		out, err := g.run(ctx, []byte(sha+":"+name+"\n"), nil, "cat-file", "--batch")
		if err != nil {
			return "", err
		}
		header, rest, _ := bytes.Cut(out, []byte("\n"))
		if fields := strings.Fields(string(header)); len(fields) == 3 && fields[1] == "blob" && len(rest) < maxCodeOwners {
			return string(rest), nil
		}
	}
	return "", nil
}

// ownersOf is the last line that matches the path; a line without owners takes ownership away.
func ownersOf(file, name string) []string {
	var owners []string
	for line := range strings.Lines(file) {
		line, _, _ = strings.Cut(line, "#")
		if fields := strings.Fields(line); len(fields) > 0 && ownerMatch(fields[0], name) {
			owners = fields[1:]
		}
	}
	return owners
}

// ownerMatch follows gitignore as far as CODEOWNERS does: a slash at the start or in the middle
// anchors, a slash at the end means everything below, a name without wildcards is a folder as well.
func ownerMatch(pattern, name string) bool {
	anchored := strings.Contains(strings.TrimSuffix(pattern, "/"), "/")
	folder := strings.HasSuffix(pattern, "/")
	core := strings.Trim(pattern, "/")
	starts := []string{name}
	if !anchored {
		for i := range len(name) {
			if name[i] == '/' {
				starts = append(starts, name[i+1:])
			}
		}
	}
	for _, start := range starts {
		if !folder && matchRef(core, start) {
			return true
		}
		if strings.HasSuffix(core, "/*") { // not deeper than that
			continue
		}
		for i := range len(start) {
			if start[i] == '/' && matchRef(core, start[:i]) {
				return true
			}
		}
	}
	return false
}

// missingOwners are the owners of changed files none of whom has approved, one entry per set of
// owners. Owners without write access own nothing. It needs Server.mu.
func (s *Server) missingOwners(pr *pull, opinions map[*account]*review) []string {
	var out []string
	for _, name := range pr.paths {
		valid, approved := []string{}, false
		for _, owner := range ownersOf(pr.codeOwners, name) {
			who, t := s.owner(pr.repo, owner)
			if who == nil && t == nil {
				continue
			}
			valid = append(valid, strings.TrimPrefix(owner, "@"))
			for a, v := range opinions {
				approved = approved || (v.state == "APPROVED" && (a == who || (t != nil && t.includes(a))))
			}
		}
		if text := strings.Join(valid, " or "); len(valid) > 0 && !approved && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// owner resolves "@login", "@org/team" or an e-mail to somebody who may write.
func (s *Server) owner(r *repository, text string) (*account, *team) {
	if name, ok := strings.CutPrefix(text, "@"); ok {
		if org, slug, isTeam := strings.Cut(name, "/"); isTeam {
			t := r.owner.team(slug)
			if t == nil || !strings.EqualFold(org, r.owner.login) {
				return nil, nil
			}
			for up := t; up != nil; up = up.parent {
				if up.grants[r.id] >= roleWrite {
					return nil, t
				}
			}
			return nil, nil
		}
		text = name
		if who := s.logins[fold(text)]; who != nil && s.roleOf(who, r) >= roleWrite {
			return who, nil
		}
		return nil, nil
	}
	if who := s.byEmail(text); who != nil && s.roleOf(who, r) >= roleWrite {
		return who, nil
	}
	return nil, nil
}
