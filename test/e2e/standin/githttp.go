package standin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cgi"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// gitRequest is a request of git's smart HTTP protocol.
type gitRequest struct {
	repo string // owner/name
	rest string // info/refs, git-upload-pack, git-receive-pack
}

// gitTarget recognises /owner/name[.git]/info/refs and the two services.
func gitTarget(path string) (gitRequest, bool) {
	parts := strings.SplitN(strings.TrimPrefix(path, "/"), "/", 3)
	if len(parts) < 3 || parts[0] == "" || parts[1] == "" {
		return gitRequest{}, false
	}
	switch parts[2] {
	case "info/refs", "git-upload-pack", "git-receive-pack":
		return gitRequest{repo: parts[0] + "/" + strings.TrimSuffix(parts[1], ".git"), rest: parts[2]}, true
	}
	return gitRequest{}, false
}

// maxPack bounds what a push may send.
const maxPack = 256 << 20

// serveGit answers with git's own http-backend, after the checks that GitHub makes.
func (s *Server) serveGit(w http.ResponseWriter, r *http.Request, target gitRequest) {
	entry := Call{Time: s.now(), Kind: "git", Method: r.Method, Pattern: r.Method + " " + target.rest, Path: r.URL.Path,
		Query: r.URL.RawQuery, Token: string(noToken)}
	started := time.Now()
	out := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
	defer func() {
		entry.Duration = time.Since(started)
		if entry.Status == 0 {
			entry.Status = out.status
		}
		s.calls.add(entry)
		s.log.LogAttrs(s.ctx, slog.LevelDebug, "standin.git", slog.String("method", r.Method),
			slog.String("path", r.URL.Path), slog.Int("status", entry.Status), slog.String("login", entry.Login))
	}()
	fault := s.faults.take(r.Method + " " + r.URL.Path)
	if fault == nil || fault.AfterEffect {
		into := http.ResponseWriter(out)
		if fault != nil {
			into = &buffered{header: http.Header{}}
		}
		if err := s.git(into, r, target, &entry); err != nil {
			refuseGit(into, err)
		}
	}
	if fault != nil {
		entry.Status, entry.Fault = fault.Status, true
		fault.answer(r.Context(), w)
	}
}

// git authenticates, authorises and runs the backend.
func (s *Server) git(w http.ResponseWriter, r *http.Request, target gitRequest, entry *Call) error {
	a, err := s.authenticate(r)
	if refusal, ok := errors.AsType[*APIError](err); ok && refusal.Status == http.StatusNotFound {
		return refuse(http.StatusNotFound, "Repository not found.")
	}
	if err != nil {
		return refuse(http.StatusUnauthorized, "Invalid username or token.")
	}
	entry.Token = string(a.kind)
	if a.user != nil {
		entry.Login = a.user.login
	}
	pushing := target.rest == "git-receive-pack" || r.URL.Query().Get("service") == "git-receive-pack"
	repo, err := s.gitAccess(a, target.repo, pushing)
	if err != nil {
		return err
	}
	if target.rest == "info/refs" && s.redirectGit(w, r, target, repo) {
		return nil
	}
	if err := spool(r); err != nil {
		return err
	}
	if target.rest != "git-receive-pack" {
		s.backend(w, r, repo, target.rest, a)
		return nil
	}
	repo.work.Lock()
	defer repo.work.Unlock()
	// What git did is announced before the client hears of it, so that whoever pushed finds its effects.
	answer := &buffered{header: http.Header{}}
	before, err := repo.git.refs(s.ctx)
	if err != nil {
		return err
	}
	if taken, err := s.receive(answer, r, repo, a, before); err != nil {
		return err
	} else if !taken {
		s.backend(answer, r, repo, target.rest, a)
	}
	after, err := repo.git.refs(s.ctx)
	if err != nil {
		return err
	}
	if err := s.announce(s.ctx, push{repo: repo, actor: a}, moved(before, after)...); err != nil {
		return err
	}
	answer.replay(w)
	return nil
}

// moved compares the references that people may move.
func moved(before, after map[string]string) []refChange {
	var out []refChange
	names := maps.Clone(before)
	maps.Copy(names, after)
	for _, ref := range slices.Sorted(maps.Keys(names)) {
		old, now := before[ref], after[ref]
		if old == now || strings.HasPrefix(ref, "refs/pull/") || strings.HasPrefix(ref, "refs/scratch/") {
			continue
		}
		c := refChange{ref, old, now}
		if old == "" {
			c.before = zeroSHA
		}
		if now == "" {
			c.after = zeroSHA
		}
		out = append(out, c)
	}
	return out
}

// gitAccess finds the repository for reading or pushing.
func (s *Server) gitAccess(a *actor, name string, pushing bool) (*repository, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	repo := s.names[fold(name)]
	if a.kind == appToken {
		return nil, refuse(http.StatusUnauthorized, "Invalid username or token.")
	}
	if repo == nil || !s.sees(a, repo) {
		if a.kind == noToken { // git asks for a password only after 401
			return nil, refuse(http.StatusUnauthorized, "No anonymous access.")
		}
		return nil, refuse(http.StatusNotFound, "Repository not found.")
	}
	level := "contents:read"
	if pushing {
		level = "contents:write"
	}
	switch {
	case repo.archived && pushing:
		return nil, refuse(http.StatusForbidden, "This repository was archived so it is read-only.")
	case a.kind == noToken && pushing:
		return nil, refuse(http.StatusUnauthorized, "No anonymous write access.")
	case a.kind == installationToken && (repo.private || pushing) && (!a.inScope(repo) || !a.permitted([]string{level})):
		return nil, refuse(http.StatusForbidden, "Write access to repository not granted.")
	case a.kind == userToken && pushing && s.roleOf(a.user, repo) < roleWrite:
		return nil, refuse(http.StatusForbidden, "Permission to %s denied to %s.", repo.fullName(), a.user.login)
	}
	return repo, nil
}

// redirectGit sends git to a repository's present name. Git asks for references first, and goes on
// where it found them.
func (s *Server) redirectGit(w http.ResponseWriter, r *http.Request, target gitRequest, repo *repository) bool {
	s.mu.Lock()
	now, address := repo.fullName(), repo.links.CloneURL
	s.mu.Unlock()
	if strings.EqualFold(now, target.repo) {
		return false
	}
	w.Header().Set("Location", address+"/"+target.rest+"?"+r.URL.RawQuery)
	w.WriteHeader(http.StatusMovedPermanently)
	return true
}

func refuseGit(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if refusal, ok := errors.AsType[*APIError](err); ok {
		status = refusal.Status
		maps.Copy(w.Header(), refusal.header)
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, err.Error()+"\n") // the caller may be gone already
}

// spool gives a request that was sent in chunks, as git does with large packs, a length: CGI needs one.
func spool(r *http.Request) error {
	if r.ContentLength >= 0 && len(r.TransferEncoding) == 0 {
		r.Body = http.MaxBytesReader(nil, r.Body, maxPack)
		return nil
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxPack+1))
	if err != nil || len(raw) > maxPack {
		return refuse(http.StatusRequestEntityTooLarge, "The pack cannot be read, or is larger than %d bytes.", maxPack)
	}
	r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(strings.NewReader(string(raw))), int64(len(raw)), nil
	return nil
}

// backend runs git http-backend.
func (s *Server) backend(w http.ResponseWriter, r *http.Request, repo *repository, rest string, a *actor) {
	r = r.Clone(r.Context())
	r.URL = &url.URL{Path: "/" + filepath.Base(repo.git.dir) + "/" + rest, RawQuery: r.URL.RawQuery}
	r.Header.Del("Authorization") // CGI would hand it on
	env := append(slices.Clone(repo.git.env), "GIT_PROJECT_ROOT="+filepath.Dir(repo.git.dir), "GIT_HTTP_EXPORT_ALL=1")
	if a.user != nil {
		env = append(env, "REMOTE_USER="+a.user.login)
	}
	handler := &cgi.Handler{Path: s.gitBackend, Dir: repo.git.dir, Env: env, Stderr: io.Discard, Logger: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)}
	handler.ServeHTTP(w, r)
}

// findBackend locates git http-backend.
func findBackend(ctx context.Context, home string) (string, error) {
	dir, err := (&gitRepo{dir: home, env: gitEnv(home)}).line(ctx, "--exec-path")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "git-http-backend")
	_, err = os.Stat(path)
	return path, err
}
