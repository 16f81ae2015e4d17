package standin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// zeroSHA is what git and GitHub write for "no commit" in a reference change.
const zeroSHA = "0000000000000000000000000000000000000000"

// gitRepo is one bare repository. Its methods may be used at the same time; whoever
// changes references holds the lock of the repository's network (repository.work).
type gitRepo struct {
	dir string
	env []string

	mu    sync.Mutex
	known map[string]*commit // commits never change, so they are read once
}

// gitEnv is the whole environment of every git process: no configuration of the
// machine or of the user, no prompt, no pager, one language.
func gitEnv(home string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_TERMINAL_PROMPT=0", "GIT_ATTR_NOSYSTEM=1", "LC_ALL=C", "TZ=UTC",
	}
}

// exitError is a git process that ended with a status other than 0.
type exitError struct {
	args   []string
	code   int
	output []byte
	stderr string
}

func (e *exitError) Error() string {
	return fmt.Sprintf("git %s: exit status %d: %s", e.args[0], e.code, strings.TrimSpace(e.stderr))
}

// run starts git in the repository and returns its standard output. extra is added to the environment.
func (g *gitRepo) run(ctx context.Context, stdin []byte, extra []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = g.dir
	cmd.Env = append(slices.Clone(g.env), extra...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return nil, &exitError{args: args, code: exit.ExitCode(), output: stdout.Bytes(), stderr: stderr.String()}
	case err != nil:
		return nil, fmt.Errorf("run git %s: %w", args[0], err)
	}
	return stdout.Bytes(), nil
}

// line runs git and returns its output without surrounding white space.
func (g *gitRepo) line(ctx context.Context, args ...string) (string, error) {
	out, err := g.run(ctx, nil, nil, args...)
	return strings.TrimSpace(string(out)), err
}

// initGit creates an empty bare repository with what GitHub allows: any object may be
// fetched by its name, partial clones work, and refs/pull/* cannot be pushed to.
func initGit(ctx context.Context, dir, home, branch string) (*gitRepo, error) {
	g := &gitRepo{dir: dir, env: gitEnv(home), known: map[string]*commit{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create repository folder: %w", err)
	}
	if _, err := g.line(ctx, "init", "--quiet", "--bare", "--template=", "--initial-branch="+branch, "."); err != nil {
		return nil, err
	}
	const settings = `
[core]
	fsync = none
	logAllRefUpdates = false
[gc]
	auto = 0
[http]
	receivepack = true
[receive]
	autogc = false
	hideRefs = refs/pull
	hideRefs = refs/heads/gh-readonly-queue
[transfer]
	hideRefs = refs/scratch
[uploadpack]
	allowAnySHA1InWant = true
	allowFilter = true
`
	f, err := os.OpenFile(dir+"/config", os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("configure repository: %w", err)
	}
	_, err = f.WriteString(settings)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("configure repository: %w", err)
	}
	return g, nil
}

// Identity is the name and e-mail of a commit's author or committer.
type Identity struct{ Name, Email string }

// signature is an identity with its time, as a commit stores it.
type signature struct {
	Identity
	when time.Time
}

func (s signature) line() string {
	return fmt.Sprintf("%s <%s> %d +0000", s.Name, s.Email, s.when.Unix())
}

func (s signature) env(role string) []string {
	return []string{
		"GIT_" + role + "_NAME=" + s.Name, "GIT_" + role + "_EMAIL=" + s.Email,
		"GIT_" + role + "_DATE=@" + strconv.FormatInt(s.when.Unix(), 10) + " +0000",
	}
}

// commit is a parsed commit object.
type commit struct {
	sha, tree         string
	parents           []string
	author, committer signature
	message           string
	signature         string // armoured, "" when unsigned
	payload           string // what the signature signs
}

func (c *commit) title() string {
	title, _, _ := strings.Cut(c.message, "\n")
	return title
}

func (c *commit) rest() string {
	_, rest, _ := strings.Cut(c.message, "\n")
	return strings.TrimSpace(rest)
}

// commits reads commits in the order asked for; all of them must exist.
func (g *gitRepo) commits(ctx context.Context, shas ...string) ([]*commit, error) {
	out := make([]*commit, len(shas))
	var missing []string
	g.mu.Lock()
	for i, sha := range shas {
		if out[i] = g.known[sha]; out[i] == nil {
			missing = append(missing, sha)
		}
	}
	g.mu.Unlock()
	if len(missing) == 0 {
		return out, nil
	}
	raw, err := g.run(ctx, []byte(strings.Join(missing, "\n")+"\n"), nil, "cat-file", "--batch")
	if err != nil {
		return nil, err
	}
	read := map[string]*commit{}
	for _, sha := range missing {
		header, rest, _ := bytes.Cut(raw, []byte("\n"))
		fields := strings.Fields(string(header))
		if len(fields) != 3 || fields[1] != "commit" {
			return nil, fmt.Errorf("read commit %s: %s", sha, header)
		}
		size, err := strconv.Atoi(fields[2])
		if err != nil || size >= len(rest) {
			return nil, fmt.Errorf("read commit %s: %s", sha, header)
		}
		read[sha] = parseCommit(sha, string(rest[:size]))
		raw = rest[size+1:]
	}
	g.mu.Lock()
	maps.Copy(g.known, read)
	g.mu.Unlock()
	for i, sha := range shas {
		if out[i] == nil {
			out[i] = read[sha]
		}
	}
	return out, nil
}

func (g *gitRepo) commit(ctx context.Context, sha string) (*commit, error) {
	cs, err := g.commits(ctx, sha)
	if err != nil {
		return nil, err
	}
	return cs[0], nil
}

// parseCommit reads a raw commit object. git checked its form when it was stored.
func parseCommit(sha, raw string) *commit {
	c := &commit{sha: sha}
	head, message, _ := strings.Cut(raw, "\n\n")
	c.message = message
	var key string
	var signed, payload []string
	for line := range strings.SplitSeq(head, "\n") {
		value, continued := strings.CutPrefix(line, " ")
		if !continued {
			key, value, _ = strings.Cut(line, " ")
		}
		if key == "gpgsig" || key == "gpgsig-sha256" {
			signed = append(signed, value)
			continue
		}
		payload = append(payload, line)
		switch {
		case continued:
		case key == "tree":
			c.tree = value
		case key == "parent":
			c.parents = append(c.parents, value)
		case key == "author":
			c.author = parseSignature(value)
		case key == "committer":
			c.committer = parseSignature(value)
		}
	}
	if signed != nil {
		c.signature = strings.Join(signed, "\n")
		c.payload = strings.Join(payload, "\n") + "\n\n" + message
	}
	return c
}

func parseSignature(s string) signature {
	name, rest, _ := strings.Cut(s, " <")
	email, when, _ := strings.Cut(rest, "> ")
	secs, _, _ := strings.Cut(when, " ")
	unix, _ := strconv.ParseInt(secs, 10, 64)
	return signature{Identity{Name: name, Email: email}, time.Unix(unix, 0).UTC()}
}

// resolve turns a full or abbreviated commit name into a full one; "" when there is no such commit.
func (g *gitRepo) resolve(ctx context.Context, rev string) (string, error) {
	if !isHex(rev) || len(rev) < 4 || len(rev) > 40 {
		return "", nil
	}
	sha, err := g.line(ctx, "rev-parse", "--verify", "--quiet", rev+"^{commit}")
	if _, ok := errors.AsType[*exitError](err); ok {
		return "", nil
	}
	return sha, err
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// isSHA tells a full commit name.
func isSHA(s string) bool { return len(s) == 40 && isHex(s) }

// revList lists commit names, for instance revList(ctx, "--reverse", "a..b"). Without a commit graph,
// git gets ranges wrong when commit dates run backwards, which whoever pushes can arrange (git 2.39.5:
// rev-list looks only a few commits past the point where it thinks it is done); see writeGraph.
func (g *gitRepo) revList(ctx context.Context, args ...string) ([]string, error) {
	out, err := g.line(ctx, append([]string{"rev-list", "--topo-order"}, args...)...)
	return strings.Fields(out), err
}

// writeGraph records the generation numbers of what new tips reach, so that ranges do not depend on dates.
func (g *gitRepo) writeGraph(ctx context.Context, tips ...string) error {
	_, err := g.run(ctx, []byte(strings.Join(tips, "\n")+"\n"), nil, "commit-graph", "write", "--stdin-commits", "--split", "--no-progress")
	return err
}

// isAncestor tells whether a is reachable from b.
func (g *gitRepo) isAncestor(ctx context.Context, a, b string) (bool, error) {
	_, err := g.line(ctx, "merge-base", "--is-ancestor", a, b)
	var exit *exitError
	if errors.As(err, &exit) && exit.code == 1 {
		return false, nil
	}
	return err == nil, err
}

// mergeBase returns the best common ancestor, "" when there is none.
func (g *gitRepo) mergeBase(ctx context.Context, a, b string) (string, error) {
	sha, err := g.line(ctx, "merge-base", a, b)
	var exit *exitError
	if errors.As(err, &exit) && exit.code == 1 {
		return "", nil
	}
	return sha, err
}

// setRefs moves references together: either all of them change or none. A new value of
// zeroSHA deletes; an old value of "" is not checked.
func (g *gitRepo) setRefs(ctx context.Context, changes ...refChange) error {
	var in strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&in, "update %s\x00%s\x00%s\x00", c.ref, c.after, c.before)
	}
	_, err := g.run(ctx, []byte(in.String()), nil, "update-ref", "--stdin", "-z")
	return err
}

// refChange is the move of one reference.
type refChange struct{ ref, before, after string }

// branch is the branch name, "" for other references.
func (c refChange) branch() string {
	name, ok := strings.CutPrefix(c.ref, "refs/heads/")
	if !ok {
		return ""
	}
	return name
}

func (c refChange) isBranch() bool { return strings.HasPrefix(c.ref, "refs/heads/") }

func (c refChange) isTag() bool { return strings.HasPrefix(c.ref, "refs/tags/") }

// refs reads all references.
func (g *gitRepo) refs(ctx context.Context) (map[string]string, error) {
	out, err := g.line(ctx, "for-each-ref", "--format=%(refname) %(objectname)")
	if err != nil {
		return nil, err
	}
	refs := map[string]string{}
	for line := range strings.Lines(out) {
		name, sha, _ := strings.Cut(strings.TrimSpace(line), " ")
		refs[name] = sha
	}
	return refs, nil
}
