package standin

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// checkMove refuses what rules forbid, as the API does: 422, the texts those of a push. The objects
// must be in the repository; callers hold work.
func (s *Server) checkMove(ctx context.Context, a *actor, r *repository, c refChange) error {
	reasons, byRuleset, err := s.refuseMove(ctx, a, r, c)
	if err != nil || reasons == nil {
		return err
	}
	if byRuleset {
		return refuse(http.StatusUnprocessableEntity, "Repository rule violations found\n\n%s\n\n", strings.Join(reasons, "\n\n"))
	}
	return refuse(http.StatusUnprocessableEntity, "%s", strings.Join(reasons, " "))
}

// refuseMove lists what forbids a move of a branch.
func (s *Server) refuseMove(ctx context.Context, a *actor, r *repository, c refChange) (reasons []string, byRuleset bool, err error) {
	branch := c.branch()
	if branch == "" || c.before == c.after {
		return nil, false, nil
	}
	s.mu.Lock()
	rules := s.rulesOn(r, branch, a, pushing)
	guarded := s.protected(r, branch)
	s.mu.Unlock()
	if !guarded {
		return nil, false, nil
	}
	refuse := func(when bool, text string) {
		if when {
			reasons = append(reasons, text)
		}
	}
	created, deleted := c.before == zeroSHA || c.before == "", c.after == zeroSHA
	switch {
	case deleted:
		refuse(rules.noDelete || rules.locked, "Cannot delete this branch")
		return reasons, rules.ruleset, nil
	case created:
		refuse(rules.noCreate, "Cannot create ref due to creations being restricted.")
	default:
		forward, err := r.git.isAncestor(ctx, c.before, c.after)
		if err != nil {
			return nil, false, err
		}
		refuse(rules.noForce && !forward, "Cannot force-push to this branch")
		refuse(rules.noUpdate, "Cannot update this protected ref.")
		refuse(rules.locked, "Cannot change this locked branch")
		refuse(rules.queue, "Changes must be made through the merge queue")
		refuse(rules.pullRequest, "Changes must be made through a pull request.")
		s.mu.Lock()
		checks := s.unmetChecks(r, c.after, rules.checks, false)
		s.mu.Unlock()
		refuse(checks != "", checks)
	}
	refuse(rules.unauthorized && (!created || rules.noCreate), "You're not authorized to push to this branch.")
	if rules.linear || rules.signatures {
		added, err := s.addedCommits(ctx, r, c)
		if err != nil {
			return nil, false, err
		}
		s.mu.Lock()
		refuse(rules.linear && slices.ContainsFunc(added, func(c *commit) bool { return len(c.parents) > 1 }),
			"This branch must not contain merge commits.")
		refuse(rules.signatures && slices.ContainsFunc(added, func(c *commit) bool { return !s.verification(c).Verified }),
			"Commits must have verified signatures.")
		s.mu.Unlock()
	}
	return reasons, rules.ruleset, nil
}

// addedCommits are those a move brings to the branch; for a new branch, those no branch has.
func (s *Server) addedCommits(ctx context.Context, r *repository, c refChange) ([]*commit, error) {
	args := []string{c.after, "^" + c.before}
	if c.before == zeroSHA || c.before == "" {
		args = []string{c.after, "--not", "--branches"}
	}
	shas, err := r.git.revList(ctx, args...)
	if err != nil {
		return nil, err
	}
	return r.git.commits(ctx, shas...)
}

// receivedPush is the head of a receive-pack request.
type receivedPush struct {
	changes      []refChange
	capabilities []string
	pack         []byte
}

// readPush parses pkt-lines up to the flush; the rest is the pack.
func readPush(body []byte) (receivedPush, error) {
	var out receivedPush
	for {
		if len(body) < 4 {
			return out, fmt.Errorf("read push: cut off")
		}
		n, err := strconv.ParseUint(string(body[:4]), 16, 16)
		if err != nil || (n > 0 && n < 4) || int(n) > len(body) {
			return out, fmt.Errorf("read push: bad length %q", body[:4])
		}
		if n == 0 {
			out.pack = body[4:]
			return out, nil
		}
		line, capabilities, first := strings.Cut(strings.TrimSuffix(string(body[4:n]), "\n"), "\x00")
		if body = body[n:]; first {
			out.capabilities = strings.Fields(capabilities)
		}
		fields := strings.SplitN(line, " ", 3)
		if len(fields) != 3 || !isSHA(fields[0]) || !isSHA(fields[1]) {
			return out, fmt.Errorf("read push: bad command %q", line)
		}
		out.changes = append(out.changes, refChange{fields[2], fields[0], fields[1]})
	}
}

// receive looks into a push before git does. Unless a rule forbids part of it, git gets the request
// as it came. Otherwise the stand-in stores the objects, moves what may move, and reports like
// GitHub: each branch for itself, or none at all when the client wants it atomic.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, repo *repository, a *actor, refs map[string]string) (bool, error) {
	s.mu.Lock()
	quiet := len(repo.protection) == 0 && len(repo.rulesets) == 0 && len(repo.owner.rulesets) == 0
	s.mu.Unlock()
	if quiet {
		return false, nil
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return false, refuse(http.StatusRequestEntityTooLarge, "The pack cannot be read, or is larger than %d bytes.", maxPack)
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	text := raw
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return false, refuse(http.StatusBadRequest, "The push cannot be read.")
		}
		if text, err = io.ReadAll(io.LimitReader(unzipped, maxPack)); err != nil {
			return false, refuse(http.StatusBadRequest, "The push cannot be read.")
		}
	}
	in, err := readPush(text)
	if err != nil || len(in.changes) == 0 {
		return false, nil //nolint:nilerr // git has the better words for a request that is no push
	}
	if len(in.pack) > 0 {
		if _, err := repo.git.run(s.ctx, in.pack, nil, "unpack-objects", "-q", "--strict"); err != nil {
			return false, nil //nolint:nilerr // git refuses it again, in its own words
		}
	}
	report, refused, err := s.judgePush(repo, a, in, refs)
	if err != nil || !refused {
		return false, err
	}
	w.Header().Set("Content-Type", "application/x-git-receive-pack-result")
	w.Header().Set("Cache-Control", "no-cache")
	_, err = w.Write(report)
	return true, err
}

// judgePush moves what may move when something may not, and writes the report.
func (s *Server) judgePush(repo *repository, a *actor, in receivedPush, refs map[string]string) (report []byte, refused bool, err error) {
	var remote, status bytes.Buffer
	pkt(&status, "unpack ok\n")
	verdicts := make([]string, len(in.changes))
	for i, c := range in.changes {
		if c.before = refs[c.ref]; c.before == "" {
			c.before = zeroSHA
		}
		reasons, byRuleset, err := s.refuseMove(s.ctx, a, repo, c)
		if err != nil {
			return nil, false, err
		}
		if reasons == nil {
			continue
		}
		refused = true
		verdicts[i] = "protected branch hook declined"
		head := "error: GH006: Protected branch update failed for " + c.ref + ".\n"
		if byRuleset {
			verdicts[i] = "push declined due to repository rule violations"
			head = "error: GH013: Repository rule violations found for " + c.ref + ".\nReview all repository rules at " +
				repo.links.HTMLURL + "/rules?ref=" + strings.ReplaceAll(c.ref, "/", "%2F") + "\n"
		}
		remote.WriteString(head)
		for _, text := range reasons {
			remote.WriteString("\n- " + text + "\n")
		}
	}
	if !refused {
		return nil, false, nil
	}
	for i, c := range in.changes {
		if verdicts[i] == "" && slices.Contains(in.capabilities, "atomic") {
			verdicts[i] = "atomic transaction failed"
		}
		if verdicts[i] == "" && (!strings.HasPrefix(c.ref, "refs/heads/") && !strings.HasPrefix(c.ref, "refs/tags/")) {
			verdicts[i] = "hook declined"
		}
		if verdicts[i] == "" {
			if err := repo.git.setRefs(s.ctx, c); err != nil {
				verdicts[i] = "failed to update ref"
			}
		}
		if verdicts[i] == "" {
			pkt(&status, "ok "+c.ref+"\n")
		} else {
			pkt(&status, "ng "+c.ref+" "+verdicts[i]+"\n")
		}
	}
	status.WriteString("0000")
	if !slices.Contains(in.capabilities, "side-band-64k") {
		return status.Bytes(), true, nil
	}
	var out bytes.Buffer
	for lines := bufio.NewScanner(&remote); lines.Scan(); {
		pkt(&out, "\x02"+lines.Text()+"\n")
	}
	for part := range slices.Chunk(status.Bytes(), maxBand) {
		pkt(&out, "\x01"+string(part))
	}
	out.WriteString("0000")
	return out.Bytes(), true, nil
}

// maxBand keeps a pkt-line of side-band-64k below its limit of 65,520 bytes.
const maxBand = 65000

func pkt(w *bytes.Buffer, text string) { fmt.Fprintf(w, "%04x%s", len(text)+4, text) }
