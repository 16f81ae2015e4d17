package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// maxEdit bounds a file that can be edited in the browser.
const maxEdit = 512 << 10

// editor shows a file in a form.
func (s *Site) editor(w http.ResponseWriter, r *http.Request) error {
	p, data, err := s.readEdit(r)
	if err != nil {
		return err
	}
	content, blob, err := s.gh.File(p.Repo.Name, data.Ref, data.Path)
	if err != nil {
		return err
	}
	if isBinary(content) || len(content) > maxEdit {
		return &standin.APIError{Status: http.StatusUnprocessableEntity, Message: "This file is no text, or too long to be edited in a browser"}
	}
	data.Content, data.Blob = string(content), blob
	p.Data = data
	return s.render(w, http.StatusOK, "edit", p)
}

// newFile shows an empty form.
func (s *Site) newFile(w http.ResponseWriter, r *http.Request) error {
	p, data, err := s.readEdit(r)
	if err != nil {
		return err
	}
	if data.New = true; data.Path != "" {
		data.Path += "/"
	}
	p.Title, p.Data = "New file", data
	return s.render(w, http.StatusOK, "edit", p)
}

// readEdit resolves branch and path; only branches can be committed to.
func (s *Site) readEdit(r *http.Request) (page, editData, error) {
	p, err := s.repoPage(r, "files", "")
	if err != nil {
		return p, editData{}, err
	}
	ref, path, err := s.gh.SplitRef(p.Repo.Name, r.PathValue("rest"))
	if err != nil {
		return p, editData{}, err
	}
	if p.Repo.Branches[ref] == "" {
		return p, editData{}, &standin.APIError{Status: http.StatusUnprocessableEntity, Message: ref + " is no branch: choose one to edit on"}
	}
	p.Title = "Edit " + path
	data := editData{Ref: ref, Path: path}
	if n, err := strconv.Atoi(r.FormValue("pull")); err == nil && n > 0 {
		pr, err := s.gh.Pull(p.Repo.Name, n)
		if err != nil {
			return p, data, err
		}
		if pr.Branch == ref && pr.HeadRepo == p.Repo.Name {
			data.Pull = n
		}
	}
	return p, data, nil
}

// edit commits the form: to the branch, or to a new one that is proposed.
func (s *Site) edit(w http.ResponseWriter, r *http.Request) error {
	values, err := form(r)
	if err != nil {
		return err
	}
	p, data, err := s.readEdit(r)
	if err != nil {
		return err
	}
	data.New, data.Blob = strings.Contains(r.URL.Path, "/new/"), values.Get("blob")
	to, err := s.commitEdit(p, data, values)
	if err == nil {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	}
	status := 0
	p.Form, status = s.refuse("edit", values, err)
	p.Data = data.fields(values)
	return s.render(w, status, "edit", p)
}

func (s *Site) commitEdit(p page, data editData, values url.Values) (to string, err error) {
	refuse := func(format string, args ...any) (string, error) {
		return "", &standin.APIError{Status: http.StatusUnprocessableEntity, Message: fmt.Sprintf(format, args...)}
	}
	path := strings.Trim(values.Get("path"), "/ ")
	switch {
	case values.Get("as") == "":
		return "", &standin.APIError{Status: http.StatusUnauthorized, Message: "Choose who does this"}
	case path == "":
		return refuse("A file name must be given")
	}
	repo := p.Repo.Name
	now, blob, err := s.gh.File(repo, data.Ref, path)
	exists := err == nil
	if err != nil && !errors.Is(err, standin.ErrNotFound) {
		return "", err
	}
	if exists && blob != data.Blob {
		return "", &standin.APIError{Status: http.StatusConflict,
			Message: path + " was changed on " + data.Ref + " meanwhile, or another file has this name. Open it again to see its text"}
	}
	change := standin.Change{Message: values.Get("message")}
	if values.Get("delete") != "" {
		change.Delete = []string{data.Path}
		change.Message = cmp.Or(change.Message, "Delete "+data.Path)
	} else {
		content := values.Get("content")
		if content != "" && !strings.HasSuffix(content, "\n") {
			content += "\n"
		}
		if exists && string(now) == content {
			return refuse("Nothing was changed in %s", path)
		}
		change.Files = map[string]string{path: content}
		if !data.New && path != data.Path {
			change.Delete = []string{data.Path}
		}
		change.Message = cmp.Or(change.Message, map[bool]string{true: "Add ", false: "Change "}[!exists]+path)
	}
	as := s.gh.As(values.Get("as"))
	switch {
	case values.Get("target") == "propose":
		branch := strings.TrimSpace(values.Get("branch"))
		if branch != "" && !isBranchName(branch) {
			return refuse("%q cannot be the name of a branch", branch)
		}
		if p.Repo.Branches[branch] != "" {
			return refuse("Branch %s exists; choose another name, or edit the file there", branch)
		}
		made, err := as.OpenPull(repo, standin.PullOptions{Base: data.Ref, Branch: branch,
			Title: values.Get("title"), Body: values.Get("body"), Draft: values.Get("draft") != "", Change: change})
		return fmt.Sprintf("/%s/pull/%d?done=open", repo, made.Number), err
	case data.Pull != 0:
		_, err = as.PushToPull(repo, data.Pull, change)
		return fmt.Sprintf("/%s/pull/%d?done=push", repo, data.Pull), err
	default:
		_, err = as.PushBranch(repo, data.Ref, change)
		return "/" + repo + link("/tree/", data.Ref) + "?done=push", err
	}
}

// isBranchName follows git-check-ref-format(1).
func isBranchName(name string) bool {
	bad := strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r) })
	for part := range strings.SplitSeq(name, "/") {
		bad = bad || part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock")
	}
	return !bad && len(name) <= 200 && name != "@" && !strings.HasPrefix(name, "-") && !strings.HasSuffix(name, ".") &&
		!strings.Contains(name, "..") && !strings.Contains(name, "@{")
}
