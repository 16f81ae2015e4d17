package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// ErrDenied says that the server does not let git in. It does not tell why:
// GitHub answers 401, 403 or 404 whatever the reason is.
var ErrDenied = errors.New("the server refuses the token, or wants one")

// maxPulls bounds the pull requests of one fetch.
const maxPulls = 5_000

// Fetch brings the branch and the heads of the pull requests up to date, in one
// fetch. Forced updates are taken over: what the remote has is what counts. The
// head of a pull request that the remote does not have is removed, a missing
// branch is approval.ErrNotFound and removed as well.
//
// When Fetch returns nil, the mirror holds a state that the remote had after
// Fetch was called. Callers that wait at the same time share one fetch, but no
// caller is served by a fetch that began before it called.
func (m *Mirror) Fetch(ctx context.Context, branch string, pulls ...int) error {
	if _, err := branchRef(branch); err != nil {
		return err
	}
	if len(pulls) > maxPulls {
		return fmt.Errorf("fetch %d pull requests: more than %d at once", len(pulls), maxPulls)
	}
	for _, n := range pulls {
		if _, err := pullRef(n); err != nil {
			return err
		}
	}
	numbers := slices.Compact(slices.Sorted(slices.Values(pulls)))
	err := m.fetches.do(ctx, branch, numbers, m.start, m.fetch)
	if err != nil {
		return fmt.Errorf("fetch %s: %w", branch, err)
	}
	return nil
}

// start runs f in a goroutine that Close waits for.
func (m *Mirror) start(f func()) bool {
	if m.git.life.Err() != nil {
		return false
	}
	m.running.Go(f)
	return true
}

// fetch runs git fetch, once more if the repository was renamed.
func (m *Mirror) fetch(ctx context.Context, branch string, pulls []int) (failed error) {
	began := time.Now()
	if m.fetched != nil {
		defer func() { m.fetched(ctx, began, failed) }()
	}
	ctx, cancel := m.git.bound(ctx)
	defer cancel()
	c, err := m.remote.credentials(ctx)
	if err != nil {
		return err
	}
	err = m.fetchOnce(ctx, c, branch, pulls)
	if isRedirect(err) {
		moved, moveErr := m.remote.redirected(ctx, c)
		if moveErr != nil {
			return errors.New(c.scrub(moveErr.Error()))
		}
		if moved {
			m.log.LogAttrs(ctx, slog.LevelWarn, "mirror.moved", slog.String("url", m.remote.url()))
			err = m.fetchOnce(ctx, c, branch, pulls)
		}
	}
	if errors.Is(err, approval.ErrNotFound) {
		err = errors.Join(err, m.dropBranch(ctx, branch))
	}
	attrs := []slog.Attr{slog.String("branch", branch), slog.Int("pulls", len(pulls)), slog.Duration("took", time.Since(began))}
	switch {
	case errors.Is(err, errNobodyWaits), errors.Is(err, ErrClosed):
		// Nothing is wrong with the repository: who asked has another answer already.
		m.log.LogAttrs(ctx, slog.LevelDebug, "mirror.fetch_given_up", append(attrs, slog.String("error", err.Error()))...)
		return err
	case err != nil:
		m.log.LogAttrs(ctx, slog.LevelWarn, "mirror.fetch_failed", append(attrs, slog.String("error", err.Error()))...)
		return err
	}
	m.log.LogAttrs(ctx, slog.LevelDebug, "mirror.fetched", attrs...)
	m.packRefs(ctx)
	m.maintain(ctx)
	return nil
}

func (m *Mirror) fetchOnce(ctx context.Context, c credentials, branch string, pulls []int) error {
	specs, err := refspecs(branch, pulls)
	if err != nil {
		return err
	}
	address := m.remote.url()
	env := m.git.environment(protocol(address), m.remote.settings(c))
	fetched := filepath.Join(m.git.dir, "FETCH_HEAD")
	if err := os.Remove(fetched); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, err = m.git.exec(ctx, env, specs, "fetch", "--quiet", "--atomic", "--force", "--prune", "--no-tags",
		"--write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules", "--no-show-forced-updates",
		"--refmap=", "--stdin", "--end-of-options", address)
	if failed, ok := errors.AsType[*gitError](err); ok {
		failed.message = m.remote.scrub(c.scrub(failed.message))
		switch {
		case strings.Contains(failed.message, "couldn't find remote ref refs/heads/"):
			return fmt.Errorf("the repository has no branch %s: %w", branch, approval.ErrNotFound)
		case strings.Contains(failed.message, "could not read Username"), // git would ask for other credentials, and may not
			strings.Contains(failed.message, "The requested URL returned error: 403"),
			strings.Contains(failed.message, "fatal: repository '") && strings.Contains(failed.message, "' not found"):
			failed.cause = ErrDenied
		}
	}
	if err != nil {
		return err
	}
	if err := checkDirectory(m.git.dir); err != nil {
		return err
	}
	report, err := os.ReadFile(fetched) //nolint:gosec // a file of the mirror
	if err != nil {
		return fmt.Errorf("read what was fetched: %w", err)
	}
	return m.confirm(ctx, parseFetchHead(string(report)), branch, pulls)
}

// confirm compares the mirror's refs with what git says it has fetched. git
// succeeds as well when it leaves out refs of a shallow remote (2.39.5, tried
// 2026-11-21), and an old ref must not pass for a fresh one.
func (m *Mirror) confirm(ctx context.Context, fetched map[string]approval.SHA, branch string, pulls []int) error {
	check := func(source, ref string) error {
		sha, _, err := m.resolve(ctx, ref)
		if err != nil {
			return err
		}
		if sha != fetched[source] {
			return fmt.Errorf("%s was not fetched as the repository has it; is its history shallow?", source)
		}
		return nil
	}
	ref, err := branchRef(branch)
	if err != nil {
		return err
	}
	if source := "branch '" + branch + "'"; fetched[source] == "" {
		return errors.New("the branch was not fetched; is the repository's history shallow?")
	} else if err := check(source, ref); err != nil {
		return err
	}
	for _, n := range pulls {
		if ref, err = pullRef(n); err != nil {
			return err
		}
		if err := check(fmt.Sprintf("'refs/pull/%d/head'", n), ref); err != nil {
			return err
		}
	}
	return nil
}

// parseFetchHead reads git's report of a fetch: lines of "SHA, tab, remark, tab,
// SOURCE of ADDRESS". A name cannot contain a space, so the source ends at " of ".
func parseFetchHead(report string) map[string]approval.SHA {
	fetched := map[string]approval.SHA{}
	for line := range strings.Lines(report) {
		fields := strings.SplitN(line, "\t", 3)
		if len(fields) != 3 {
			continue
		}
		source, _, ok := strings.Cut(fields[2], " of ")
		if sha, err := approval.ParseSHA(fields[0]); ok && err == nil {
			fetched[source] = sha
		}
	}
	return fetched
}

// refspecs names what is fetched, one per line. The branch is named exactly and
// must exist. A pull request is named by a pattern that matches its head alone:
// git fails for an exact name that the remote does not have, and prunes what a
// pattern does not find.
func refspecs(branch string, pulls []int) (string, error) {
	var b strings.Builder
	ref, err := branchRef(branch)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&b, "+refs/heads/%s:%s\n", branch, ref)
	for _, n := range pulls {
		if ref, err = pullRef(n); err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "+refs/pull/%s/hea*d:%s*d\n", strconv.Itoa(n), strings.TrimSuffix(ref, "d"))
	}
	return b.String(), nil
}

// isRedirect recognizes git's message for a redirect that it was told not to
// follow.
func isRedirect(err error) bool {
	failed, ok := errors.AsType[*gitError](err)
	return ok && strings.Contains(failed.message, "The requested URL returned error: 30")
}

// Forget drops what is known of a branch that is not to be fetched again. Its commits
// stay for a while.
func (m *Mirror) Forget(ctx context.Context, branch string) error { return m.dropBranch(ctx, branch) }

// dropBranch forgets a branch that the remote no longer has.
func (m *Mirror) dropBranch(ctx context.Context, branch string) error {
	ref, err := branchRef(branch)
	if err != nil {
		return err
	}
	if _, err := m.git.run(ctx, "", "update-ref", "--no-deref", "-d", "--end-of-options", ref); err != nil {
		return fmt.Errorf("forget the branch: %w", err)
	}
	return nil
}

// withoutDuplicates is the sorted union of the pull requests of requests.
func withoutDuplicates(requests []*fetchRequest) []int {
	all := map[int]bool{}
	for _, r := range requests {
		for _, n := range r.pulls {
			all[n] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
