package web

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// page is what every template gets.
type page struct {
	Title  string
	Repo   *standin.RepositoryView // of pages below a repository
	Tab    string                  // of the repository's tabs, which one is open
	Me     string                  // whom the forms propose; "" when nobody was chosen
	People []string                // whom one can act as
	Path   string                  // of the request, to come back to
	Done   string                  // what was just done
	Form   kept
	Data   any
}

// kept is a form that was refused: nothing of what was typed is lost.
type kept struct {
	ID     string
	Error  string
	Values url.Values
}

// In tells whether the refused form is this one.
func (k kept) In(id string) bool { return k.Error != "" && k.ID == id }

// Value is what was typed into a field of a form, else the fallback.
func (k kept) Value(id, field, fallback string) string {
	if k.In(id) && k.Values.Has(field) {
		return k.Values.Get(field)
	}
	return fallback
}

const cookieName = "as"

// page begins a page.
func (s *Site) page(r *http.Request, title string) page {
	p := page{Title: title, Path: r.URL.EscapedPath()}
	if q := r.URL.RawQuery; q != "" && r.Method == http.MethodGet {
		p.Path += "?" + q
	}
	for _, a := range s.gh.Accounts() {
		if a.Kind == "User" {
			p.People = append(p.People, a.Login)
		}
	}
	if c, err := r.Cookie(cookieName); err == nil {
		for _, login := range p.People {
			if login == c.Value {
				p.Me = login
			}
		}
	}
	p.Done = done[r.URL.Query().Get("done")]
	return p
}

// repoPage begins a page of a repository.
func (s *Site) repoPage(r *http.Request, tab, title string) (page, error) {
	view, err := s.gh.Repository(r.PathValue("owner") + "/" + r.PathValue("repo"))
	if err != nil {
		return page{}, err
	}
	p := s.page(r, title)
	p.Repo, p.Tab = &view, tab
	return p, nil
}

// renamed leads from a former name of a repository to its name, and knows none but repositories.
func (s *Site) renamed(v view) view {
	return func(w http.ResponseWriter, r *http.Request) error {
		asked := r.PathValue("owner") + "/" + r.PathValue("repo")
		view, err := s.gh.Repository(asked)
		if err != nil {
			return err
		}
		if strings.EqualFold(view.Name, asked) || r.Method != http.MethodGet {
			return v(w, r)
		}
		rest := strings.SplitN(r.URL.EscapedPath(), "/", 4)[3:]
		http.Redirect(w, r, "/"+strings.Join(append([]string{view.Name}, rest...), "/"), http.StatusMovedPermanently)
		return nil
	}
}

// done are the messages after a redirect; the address carries the key alone.
var done = map[string]string{
	"review": "The review was submitted.", "comment": "The comment was written.", "edit-comment": "The comment was changed.",
	"delete-comment": "The comment was deleted.", "dismiss": "The review was dismissed.", "edit": "The pull request was changed.",
	"request": "The review was requested.", "update": "The base branch was merged into the branch.", "merge": "The pull request was merged.",
	"close": "The pull request was closed.", "reopen": "The pull request was opened again.", "press": "The button was pressed; its App was told.",
	"rerun": "A new run was asked for; its App was told.", "push": "The commit was pushed.", "open": "The pull request was opened.",
	"knob": "Done.", "redeliver": "The delivery is being repeated.", "install": "The App was installed.", "installation": "The installation was changed.",
}

// parse reads the templates: each page together with the layout and the parts.
func (s *Site) parse() (map[string]*template.Template, error) {
	funcs := template.FuncMap{
		"short": short, "link": link, "when": when, "clock": clock, "visible": visible, "initial": initial,
		"markdown": s.markdown.render, "both": func(p page, it any) part { return part{p, it} }, "dir": path.Dir, "base": path.Base, "field": newField, "ms": milliseconds, "size": size,
		"plural": plural, "plusone": func(i int) int { return i + 1 }, "lines": diffLines, "lower": strings.ToLower, "words": func(s string) string { return strings.ReplaceAll(s, "_", " ") },
	}
	shared, err := template.New("").Funcs(funcs).ParseFS(templateFiles, "templates/_*.html")
	if err != nil {
		return nil, fmt.Errorf("read the layout: %w", err)
	}
	names, err := fs.Glob(templateFiles, "templates/[a-z]*.html")
	if err != nil {
		return nil, fmt.Errorf("list the templates: %w", err)
	}
	out := map[string]*template.Template{}
	for _, name := range names {
		one, err := shared.Clone()
		if err != nil {
			return nil, fmt.Errorf("copy the layout: %w", err)
		}
		if one, err = one.ParseFS(templateFiles, name); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		out[strings.TrimSuffix(path.Base(name), ".html")] = one
	}
	return out, nil
}

// render sends a page, whole or not at all.
func (s *Site) render(w http.ResponseWriter, status int, name string, p page) error {
	t := s.templates[name]
	if t == nil {
		return fmt.Errorf("no template %q", name)
	}
	var out bytes.Buffer
	if err := t.ExecuteTemplate(&out, "layout", p); err != nil {
		return fmt.Errorf("write page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // the reader may be gone
	return nil
}

// part is what a part of a page needs.
type part struct {
	Page page
	It   any
}

// field is what the select of people needs.
type field struct {
	Page page
	Form string
	ID   string
}

func newField(p page, form string) field {
	return field{p, form, "as-" + strings.Map(func(r rune) rune {
		if r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return '-'
	}, form)}
}

// Chosen is who is proposed: whom the refused form named, else who one is, else the first.
func (f field) Chosen() string { return f.Page.Form.Value(f.Form, "as", f.Page.Me) }

func short(sha string) string { return sha[:min(len(sha), 7)] }

// link joins parts to a path of this site; what would end a path is escaped.
func link(parts ...string) string {
	segments := strings.Split(strings.Join(parts, ""), "/")
	for i, segment := range segments {
		segments[i] = url.PathEscape(segment)
	}
	return strings.Join(segments, "/")
}

func when(t time.Time) template.HTML {
	t = t.UTC()
	// A formatted time has no markup.
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `" title="` + t.Format("2 January 2006, 15:04:05 UTC") + `">` +
		t.Format("2 Jan, 15:04:05") + `</time>`)
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 1, 64) + " ms"
}

func size(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	return strconv.FormatFloat(float64(n)/1024, 'f', 1, 64) + " KiB"
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

func initial(login string) string {
	for _, r := range login {
		return strings.ToUpper(string(r))
	}
	return "?"
}

// visible shows the characters that would reorder or hide others, as in a name made to deceive a reviewer.
func visible(text string) string {
	if !strings.ContainsFunc(text, deceives) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if deceives(r) {
			fmt.Fprintf(&b, "⟦U+%04X⟧", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func deceives(r rune) bool {
	switch {
	case r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069, r >= 0x200B && r <= 0x200F, r == 0x061C, r == 0xFEFF, r == 0x2060:
		return true
	}
	return r < ' ' && r != '\t' && r != '\n' || r == 0x7f
}

// form reads a posted form.
func form(r *http.Request) (url.Values, error) {
	if err := r.ParseForm(); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return nil, err
		}
		return nil, &standin.APIError{Status: http.StatusBadRequest, Message: "The form could not be read"}
	}
	for name, values := range r.PostForm {
		for i, v := range values {
			r.PostForm[name][i] = strings.ReplaceAll(v, "\r\n", "\n") // browsers send line ends as in mail
		}
	}
	return r.PostForm, nil
}

// refuse is the kept form of an error, with the status to answer.
func (s *Site) refuse(id string, values url.Values, err error) (kept, int) {
	status := http.StatusUnprocessableEntity
	if refusal, ok := errors.AsType[*standin.APIError](err); ok {
		status = refusal.Status
	}
	return kept{ID: id, Error: explain(err), Values: values}, status
}

// number reads a number of the path.
func number(r *http.Request, name string) (int64, error) {
	n, err := strconv.ParseInt(r.PathValue(name), 10, 64)
	if err != nil || n <= 0 {
		return 0, errNoPage
	}
	return n, nil
}
