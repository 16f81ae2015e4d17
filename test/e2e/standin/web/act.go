package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// action is one thing that a person does to a pull request. It returns the key of the message and the
// fragment to show.
type action func(s *Site, as standin.As, on target, values url.Values) (message, fragment string, err error)

// target is the pull request that a form is about.
type target struct {
	repo   string
	number int
}

// act does what a form of the pull request's page asks for; the refusals are GitHub's.
func (s *Site) act(w http.ResponseWriter, r *http.Request) error {
	values, err := form(r)
	if err != nil {
		return err
	}
	n, err := number(r, "number")
	if err != nil {
		return err
	}
	repo, err := s.gh.Repository(r.PathValue("owner") + "/" + r.PathValue("repo"))
	if err != nil {
		return err
	}
	if _, err := s.gh.Timeline(repo.Name, int(n)); err != nil {
		return err
	}
	do := actions()[values.Get("do")]
	if do == nil {
		return errNoPage
	}
	var message, fragment string
	if values.Get("as") == "" {
		err = &standin.APIError{Status: http.StatusUnauthorized, Message: "Choose who does this"}
	} else {
		message, fragment, err = do(s, s.gh.As(values.Get("as")), target{repo.Name, int(n)}, values)
	}
	if err != nil {
		refused, status := s.refuse(formID(values), values, err)
		return s.showPull(w, r, status, refused)
	}
	to := fmt.Sprintf("/%s/pull/%d?done=%s", repo.Name, n, message)
	if fragment != "" {
		to += "#" + fragment
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// formID names a form of the page; those that exist several times have a number.
func formID(values url.Values) string {
	id := values.Get("do")
	for _, field := range []string{"review", "comment", "run"} {
		if v := values.Get(field); v != "" {
			return id + "-" + v
		}
	}
	return id
}

func actions() map[string]action {
	return map[string]action{
		"review": review, "comment": comment, "edit-comment": editComment, "delete-comment": deleteComment, "dismiss": dismiss,
		"edit": editPull, "request": request, "update": update, "merge": merge, "state": changeState, "press": press, "rerun": rerun,
	}
}

// seen refuses when the head moved since the page was shown: what one has not seen one does not decide on.
func (on target) seen(s *Site, values url.Values) error {
	pr, err := s.gh.Pull(on.repo, on.number)
	if err != nil {
		return err
	}
	if head := values.Get("head"); head != "" && head != pr.Head {
		return &standin.APIError{Status: http.StatusConflict,
			Message: "The branch moved from " + short(head) + " to " + short(pr.Head) + " while you looked. Look again, then repeat this"}
	}
	return nil
}

func id(values url.Values, field string) (int64, error) {
	n, err := strconv.ParseInt(values.Get(field), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: the form names no %s", standin.ErrNotFound, field)
	}
	return n, nil
}

func review(s *Site, as standin.As, on target, values url.Values) (string, string, error) {
	if err := on.seen(s, values); err != nil {
		return "", "", err
	}
	n, err := as.Review(on.repo, on.number, values.Get("event"), values.Get("body"))
	return "review", fmt.Sprintf("pullrequestreview-%d", n), err
}

func comment(_ *Site, as standin.As, on target, values url.Values) (string, string, error) {
	n, err := as.Comment(on.repo, on.number, values.Get("body"))
	return "comment", fmt.Sprintf("issuecomment-%d", n), err
}

func editComment(_ *Site, as standin.As, on target, values url.Values) (string, string, error) {
	n, err := id(values, "comment")
	if err != nil {
		return "", "", err
	}
	if values.Get("body") == "" { // As.EditComment would delete it
		return "", "", &standin.APIError{Status: http.StatusUnprocessableEntity, Message: "A comment cannot become empty; delete it instead"}
	}
	return "edit-comment", fmt.Sprintf("issuecomment-%d", n), as.EditComment(on.repo, n, values.Get("body"))
}

func deleteComment(_ *Site, as standin.As, on target, values url.Values) (string, string, error) {
	n, err := id(values, "comment")
	if err != nil {
		return "", "", err
	}
	return "delete-comment", "", as.EditComment(on.repo, n, "")
}

func dismiss(_ *Site, as standin.As, on target, values url.Values) (string, string, error) {
	n, err := id(values, "review")
	if err != nil {
		return "", "", err
	}
	return "dismiss", fmt.Sprintf("pullrequestreview-%d", n), as.Dismiss(on.repo, on.number, n, values.Get("message"))
}

func editPull(s *Site, as standin.As, on target, values url.Values) (string, string, error) {
	if values.Get("title") == "" {
		return "", "", &standin.APIError{Status: http.StatusUnprocessableEntity, Message: "A title must be given"}
	}
	before, err := s.gh.Pull(on.repo, on.number)
	if err != nil {
		return "", "", err
	}
	body, base := values.Get("body"), values.Get("base")
	if body == "" && before.Body != "" {
		return "", "", &standin.APIError{Status: http.StatusUnprocessableEntity, Message: "A description can be replaced, but not be made empty here"}
	}
	if base == before.Base {
		base = ""
	}
	return "edit", "", as.EditPull(on.repo, on.number, values.Get("title"), body, base, "")
}

func request(_ *Site, as standin.As, on target, values url.Values) (string, string, error) {
	if values.Get("reviewer") == "" {
		return "", "", &standin.APIError{Status: http.StatusUnprocessableEntity, Message: "Choose whom to ask"}
	}
	return "request", "", as.RequestReview(on.repo, on.number, values.Get("reviewer"))
}

func update(s *Site, as standin.As, on target, values url.Values) (string, string, error) {
	if err := on.seen(s, values); err != nil {
		return "", "", err
	}
	_, err := as.UpdateBranch(on.repo, on.number)
	return "update", "", err
}

func merge(s *Site, as standin.As, on target, values url.Values) (string, string, error) {
	if err := on.seen(s, values); err != nil {
		return "", "", err
	}
	_, err := as.Merge(on.repo, on.number, values.Get("method"))
	return "merge", "", err
}

func changeState(_ *Site, as standin.As, on target, values url.Values) (string, string, error) {
	message := map[string]string{"open": "reopen", "closed": "close"}[values.Get("state")]
	return message, "", as.EditPull(on.repo, on.number, "", "", "", values.Get("state"))
}

func press(_ *Site, as standin.As, on target, values url.Values) (string, string, error) {
	n, err := id(values, "run")
	if err != nil {
		return "", "", err
	}
	return "press", "checks", as.ClickAction(on.repo, n, values.Get("identifier"))
}

func rerun(_ *Site, as standin.As, on target, values url.Values) (string, string, error) {
	n, err := id(values, "run")
	if err != nil {
		return "", "", err
	}
	return "rerun", "checks", as.Rerequest(on.repo, n)
}
