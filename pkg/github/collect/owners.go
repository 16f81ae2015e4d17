package collect

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hmarr/codeowners"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// maxCodeOwners is the size above which GitHub ignores a CODEOWNERS file
// (GitHub docs, "About code owners": 3 MB).
const maxCodeOwners = 3 << 20

// ownersFiles are the places of the file, in the order in which GitHub looks.
func ownersFiles() []string {
	return []string{".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"}
}

// ownersOf finds the owners of changed paths by the CODEOWNERS file of the commit
// before the change: nobody may change who has to approve in the same breath.
// Without a file no path has an owner.
func (c *Collector) ownersOf(ctx context.Context, r *repo, before approval.SHA, changes []approval.Change) ([]approval.PathOwners, error) {
	rules, err := c.codeOwners(ctx, r, before)
	if err != nil {
		return nil, fmt.Errorf("read the code owners at %s: %w", before.Short(), err)
	}
	out := make([]approval.PathOwners, 0, len(changes))
	for _, change := range changes {
		owned := approval.PathOwners{Path: change.Path}
		rule, err := rules.Match(change.Path)
		if err != nil {
			return nil, fmt.Errorf("find the code owners of %q: %w", change.Path, err)
		}
		if rule != nil {
			for _, o := range rule.Owners {
				if o.Type == codeowners.TeamOwner {
					owned.Teams = append(owned.Teams, approval.TeamName(o.Value))
				} else {
					// An e-mail address names no account that could be found by it. It is
					// kept, so that the path does not look as if it had no owner.
					owned.Users = append(owned.Users, o.Value)
				}
			}
		}
		out = append(out, owned)
	}
	return out, nil
}

// codeOwners reads the file at a commit. A file that cannot be parsed is an
// error: GitHub skips such lines, and with them whoever they name.
func (c *Collector) codeOwners(ctx context.Context, r *repo, at approval.SHA) (codeowners.Ruleset, error) {
	for _, path := range ownersFiles() {
		e, ok, err := r.mirror.Entry(ctx, at, path)
		switch {
		case err != nil:
			return nil, err
		case !ok || e.IsFolder():
			continue
		case e.Mode != "100644" && e.Mode != "100755":
			return nil, fmt.Errorf("%s is not a regular file", path)
		}
		return c.rulesets.get(ctx, e.SHA, func(ctx context.Context) (codeowners.Ruleset, time.Duration, error) {
			data, err := r.mirror.Blob(ctx, e.SHA, maxCodeOwners)
			if err != nil {
				return nil, 0, fmt.Errorf("%s: %w", path, err)
			}
			rules, err := parseOwners(data)
			if err != nil {
				return nil, 0, fmt.Errorf("%s: %w", path, err)
			}
			return rules, forever, nil
		})
	}
	return nil, nil
}

// maxOwnersLine is longer than what hmarr/codeowners v1.2.1 reads: it stops at
// such a line without an error, and the rules after it would be missing.
const maxOwnersLine = bufio.MaxScanTokenSize

func parseOwners(data []byte) (codeowners.Ruleset, error) {
	for line := range bytes.Lines(data) {
		if len(line) >= maxOwnersLine {
			return nil, fmt.Errorf("a line has more than %d bytes", maxOwnersLine)
		}
	}
	return codeowners.ParseFile(bytes.NewReader(data))
}

// ownersIn lists the people whom the code owners name and the query does not.
func ownersIn(q approval.Query, pulls []*approval.PullRequest) approval.Query {
	var extra approval.Query
	known := func(list []string, s string) bool {
		return slices.ContainsFunc(list, func(o string) bool { return strings.EqualFold(o, s) })
	}
	var teams, users []string
	for _, t := range q.Teams {
		teams = append(teams, string(t))
	}
	users = append(users, q.Users...)
	for _, pr := range pulls {
		for _, o := range pr.Owners {
			for _, t := range o.Teams {
				if !known(teams, string(t)) {
					teams, extra.Teams = append(teams, string(t)), append(extra.Teams, t)
				}
			}
			for _, u := range o.Users {
				if !known(users, u) {
					users, extra.Users = append(users, u), append(extra.Users, u)
				}
			}
		}
	}
	return extra
}
