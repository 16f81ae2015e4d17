package standin

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Commit is a commit with the accounts of its author and committer, empty for strangers.
type Commit struct {
	SHA                         string
	Parents                     []string
	Message                     string
	Author, Committer           Identity
	AuthorLogin, CommitterLogin string
	Authored, Committed         time.Time
	Signed, Verified            bool
}

// Title is the first line of the message.
func (c Commit) Title() string {
	title, _, _ := strings.Cut(c.Message, "\n")
	return title
}

// FileDiff is one changed file; Patch is empty for binary files and pure renames.
type FileDiff struct {
	Path, OldPath        string
	Status               string // added, removed, modified, renamed, copied, changed
	Additions, Deletions int
	Patch                string // hunks, without a header
}

// TreeEntry is one name in a folder.
type TreeEntry struct {
	Name string
	Kind string // blob, tree, commit
	Mode string // as git writes it
	SHA  string
	Size int64 // of a blob
}

// Comparison is what head has that base lacks.
type Comparison struct {
	Base, Head, MergeBase string // commits; MergeBase is empty when there is none
	Commits               []Commit
	Behind                int
	Files                 []FileDiff // from MergeBase to Head
}

// errNoCommit is about a name that is neither branch nor tag nor commit.
func errNoCommit(repo, ref string) error {
	return fmt.Errorf("%w: no commit %q in %s", ErrNotFound, ref, repo)
}

// Resolve is the commit of a branch, a tag, or an abbreviated commit name.
func (s *Server) Resolve(repo, ref string) (string, error) {
	r, err := s.find(repo)
	if err != nil {
		return "", err
	}
	sha, err := s.resolve(s.ctx, r, ref)
	if err == nil && sha == "" {
		err = errNoCommit(repo, ref)
	}
	return sha, err
}

// SplitRef cuts "ref/path", where the ref may have slashes as well; the longest branch wins.
func (s *Server) SplitRef(repo, text string) (ref, path string, err error) {
	view, err := s.Repository(repo)
	if err != nil {
		return "", "", err
	}
	for name := range view.Branches {
		if (text == name || strings.HasPrefix(text, name+"/")) && len(name) > len(ref) {
			ref = name
		}
	}
	if ref == "" {
		ref, _, _ = strings.Cut(text, "/")
		if _, err := s.Resolve(repo, ref); err != nil {
			return "", "", err
		}
	}
	return ref, strings.Trim(strings.TrimPrefix(text, ref), "/"), nil
}

// object is what git calls a path of a commit: "commit:path".
func (s *Server) object(repo, ref, path string) (*gitRepo, string, error) {
	r, err := s.find(repo)
	if err != nil {
		return nil, "", err
	}
	sha, err := s.Resolve(repo, ref)
	if err != nil {
		return nil, "", err
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." || strings.Contains(part, "\x00") { // git would look elsewhere, or not at all
			return nil, "", fmt.Errorf("%w: no %q at %s", ErrNotFound, path, ref)
		}
	}
	return r.git, sha + ":" + path, nil
}

// Tree lists a folder at a commit, folders first; the root for an empty path.
func (s *Server) Tree(repo, ref, path string) ([]TreeEntry, error) {
	git, name, err := s.object(repo, ref, path)
	if err != nil {
		return nil, err
	}
	raw, err := git.run(s.ctx, nil, nil, "ls-tree", "-z", "-l", name)
	if _, gone := errors.AsType[*exitError](err); gone {
		return nil, fmt.Errorf("%w: no folder %q at %s", ErrNotFound, path, ref)
	}
	if err != nil {
		return nil, err
	}
	var out []TreeEntry
	for line := range strings.SplitSeq(strings.TrimSuffix(string(raw), "\x00"), "\x00") {
		if line == "" {
			continue
		}
		head, file, _ := strings.Cut(line, "\t")
		fields := strings.Fields(head)
		if len(fields) != 4 {
			return nil, fmt.Errorf("list %s: unexpected %q", name, line)
		}
		size, _ := strconv.ParseInt(fields[3], 10, 64) // "-" for folders
		out = append(out, TreeEntry{Name: file, Mode: fields[0], Kind: fields[1], SHA: fields[2], Size: size})
	}
	slices.SortStableFunc(out, func(a, b TreeEntry) int {
		if (a.Kind == "tree") == (b.Kind == "tree") {
			return strings.Compare(a.Name, b.Name)
		}
		if a.Kind == "tree" {
			return -1
		}
		return 1
	})
	return out, nil
}

// maxFile bounds what File reads.
const maxFile = 8 << 20

// File reads a file at a commit, up to 8 MiB, and the name of its blob.
func (s *Server) File(repo, ref, path string) (content []byte, blob string, err error) {
	git, name, err := s.object(repo, ref, path)
	if err != nil {
		return nil, "", err
	}
	missing := fmt.Errorf("%w: no file %q at %s", ErrNotFound, path, ref)
	blob, err = git.line(s.ctx, "rev-parse", "--verify", "--quiet", name)
	if _, gone := errors.AsType[*exitError](err); gone {
		return nil, "", missing
	}
	if err != nil {
		return nil, "", err
	}
	if kind, err := git.line(s.ctx, "cat-file", "-t", blob); err != nil || kind != "blob" {
		return nil, "", errors.Join(missing, err)
	}
	size, err := git.line(s.ctx, "cat-file", "-s", blob)
	if err != nil {
		return nil, "", err
	}
	if n, err := strconv.Atoi(size); err != nil || n > maxFile {
		return nil, "", fmt.Errorf("file %q has %s bytes, more than %d: %w", path, size, maxFile, errors.Join(ErrNotFound, err))
	}
	content, err = git.run(s.ctx, nil, nil, "cat-file", "blob", blob)
	return content, blob, err
}

// LastWith is the newest commit before ref that had a file which ref lacks.
func (s *Server) LastWith(repo, ref, path string) (string, error) {
	sha, err := s.Resolve(repo, ref)
	if err != nil {
		return "", err
	}
	r, err := s.find(repo)
	if err != nil {
		return "", err
	}
	gone := fmt.Errorf("%w: %q was never a file before %s", ErrNotFound, path, ref)
	if path == "" || strings.Contains(path, "\x00") {
		return "", gone
	}
	touched, err := r.git.revList(s.ctx, "--max-count=1", sha, "--", ":(literal)"+path)
	if err != nil {
		return "", err
	}
	if len(touched) == 0 {
		return "", gone
	}
	c, err := r.git.commit(s.ctx, touched[0])
	if err != nil {
		return "", err
	}
	if len(c.parents) == 0 {
		return "", gone
	}
	if _, _, err := s.File(repo, c.parents[0], path); err != nil {
		return "", err
	}
	return c.parents[0], nil
}

// Commits lists up to limit commits that a ref reaches, newest first.
func (s *Server) Commits(repo, ref string, limit int) ([]Commit, error) {
	sha, err := s.Resolve(repo, ref)
	if err != nil {
		return nil, err
	}
	r, err := s.find(repo)
	if err != nil {
		return nil, err
	}
	shas, err := r.git.revList(s.ctx, "--max-count="+strconv.Itoa(limit), sha)
	if err != nil {
		return nil, err
	}
	return s.commitViews(r, shas)
}

func (s *Server) commitViews(r *repository, shas []string) ([]Commit, error) {
	if len(shas) == 0 {
		return nil, nil
	}
	read, err := r.git.commits(s.ctx, shas...)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Commit
	for _, c := range read {
		out = append(out, Commit{SHA: c.sha, Parents: slices.Clone(c.parents), Message: strings.TrimSpace(c.message),
			Author: c.author.Identity, Committer: c.committer.Identity, AuthorLogin: loginOf(s.byEmail(c.author.Email)),
			CommitterLogin: loginOf(s.byEmail(c.committer.Email)), Authored: c.author.when, Committed: c.committer.when,
			Signed: c.signature != "", Verified: s.verification(c).Verified})
	}
	return out, nil
}

// PullCommits lists the commits of a pull request, oldest first.
func (s *Server) PullCommits(repo string, number int) ([]Commit, error) {
	pr, err := s.findPull(repo, number)
	if err != nil {
		return nil, err
	}
	if err := s.fresh(s.ctx, pr); err != nil {
		return nil, err
	}
	s.mu.Lock()
	shas := slices.Clone(pr.commits)
	s.mu.Unlock()
	return s.commitViews(pr.repo, shas)
}

// CommitDiff reads a commit and what it changed against its first parent.
func (s *Server) CommitDiff(repo, ref string) (Commit, []FileDiff, error) {
	found, err := s.Commits(repo, ref, 1)
	if err != nil {
		return Commit{}, nil, err
	}
	from := emptyTree
	if len(found[0].Parents) > 0 {
		from = found[0].Parents[0]
	}
	files, err := s.diffView(repo, from, found[0].SHA)
	return found[0], files, err
}

func (s *Server) diffView(repo, from, to string) ([]FileDiff, error) {
	r, err := s.find(repo)
	if err != nil {
		return nil, err
	}
	changes, err := r.git.diff(s.ctx, from, to, true)
	if err != nil {
		return nil, err
	}
	var out []FileDiff
	for _, c := range changes {
		out = append(out, FileDiff{Path: c.path, OldPath: c.oldPath, Status: c.status, Additions: c.additions, Deletions: c.deletions, Patch: c.patch})
	}
	return out, nil
}

// PullDiff is what a pull request changes, as on its page: from where it left its base to its head.
func (s *Server) PullDiff(repo string, number int) ([]FileDiff, error) {
	from, to, err := s.pullRange(repo, number)
	if err != nil || from == "" {
		return nil, err
	}
	return s.diffView(repo, from, to)
}

func (s *Server) pullRange(repo string, number int) (from, to string, err error) {
	pr, err := s.findPull(repo, number)
	if err != nil {
		return "", "", err
	}
	if err := s.fresh(s.ctx, pr); err != nil {
		return "", "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return pr.mergeBase, pr.headSHA, nil
}

// PullPatch is the text behind diff_url, and with mail behind patch_url.
func (s *Server) PullPatch(repo string, number int, mail bool) ([]byte, error) {
	from, to, err := s.pullRange(repo, number)
	if err != nil || from == "" {
		return nil, err
	}
	return s.patchText(repo, from, to, mail)
}

// ComparePatch is the text behind the diff_url, and with mail the patch_url, of a comparison.
func (s *Server) ComparePatch(repo, base, head string, mail bool) ([]byte, error) {
	compared, err := s.Compare(repo, base, head)
	if err != nil || compared.MergeBase == "" {
		return nil, err
	}
	return s.patchText(repo, compared.MergeBase, compared.Head, mail)
}

func (s *Server) patchText(repo, from, to string, mail bool) ([]byte, error) {
	r, err := s.find(repo)
	if err != nil {
		return nil, err
	}
	if mail {
		return r.git.run(s.ctx, nil, nil, "format-patch", "--stdout", "--no-ext-diff", from+".."+to)
	}
	return r.git.run(s.ctx, nil, nil, "diff-tree", "-r", "-M", "-p", "--no-ext-diff", "--no-textconv", from, to)
}

// Behind counts the commits that base has and head lacks.
func (s *Server) Behind(repo, base, head string) (int, error) {
	from, err := s.Resolve(repo, base)
	if err != nil {
		return 0, err
	}
	to, err := s.Resolve(repo, head)
	if err != nil {
		return 0, err
	}
	r, err := s.find(repo)
	if err != nil {
		return 0, err
	}
	missing, err := r.git.revList(s.ctx, to+".."+from)
	return len(missing), err
}

// Compare compares two refs of a repository.
func (s *Server) Compare(repo, base, head string) (Comparison, error) {
	r, err := s.find(repo)
	if err != nil {
		return Comparison{}, err
	}
	out := Comparison{}
	if out.Base, err = s.Resolve(repo, base); err != nil {
		return out, err
	}
	if out.Head, err = s.Resolve(repo, head); err != nil {
		return out, err
	}
	if out.MergeBase, err = r.git.mergeBase(s.ctx, out.Base, out.Head); err != nil || out.MergeBase == "" {
		return out, err
	}
	ahead, err := r.git.revList(s.ctx, "--reverse", out.Base+".."+out.Head)
	if err != nil {
		return out, err
	}
	behind, err := r.git.revList(s.ctx, out.Head+".."+out.Base)
	if err != nil {
		return out, err
	}
	out.Behind = len(behind)
	if out.Commits, err = s.commitViews(r, ahead[max(len(ahead)-maxCompared, 0):]); err != nil {
		return out, err
	}
	out.Files, err = s.diffView(repo, out.MergeBase, out.Head)
	return out, err
}
