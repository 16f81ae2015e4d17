package standin

import (
	"net/http"
	"slices"
	"unicode/utf8"
)

// annotation is a remark of a check run about lines of a file, as sent.
type annotation struct {
	Path        string  `json:"path"`
	StartLine   int     `json:"start_line"`
	EndLine     int     `json:"end_line"`
	StartColumn *int    `json:"start_column"`
	EndColumn   *int    `json:"end_column"`
	Level       string  `json:"annotation_level"`
	Message     string  `json:"message"`
	Title       *string `json:"title"`
	RawDetails  *string `json:"raw_details"`
}

// annotationJSON is "check-annotation".
type annotationJSON struct {
	annotation
	BlobHref string `json:"blob_href"`
}

// check holds the rules of "Create a check run": path, lines, level and message are required, and
// columns belong to annotations of one line.
func (a *annotation) check() error {
	bad := func(text string) error {
		return refuse(http.StatusUnprocessableEntity, "Invalid request.\n\nannotation of %q: %s", a.Path, text)
	}
	switch {
	case a.Path == "" || a.Message == "" || a.StartLine == 0 || a.EndLine == 0:
		return bad("path, start_line, end_line and message are required.")
	case !slices.Contains([]string{"notice", "warning", "failure"}, a.Level):
		return bad("annotation_level is notice, warning or failure.")
	case a.StartLine < 0 || a.EndLine < a.StartLine:
		return bad("end_line is before start_line.")
	case (a.StartColumn != nil || a.EndColumn != nil) && a.StartLine != a.EndLine:
		return bad("columns need start_line and end_line to be equal.")
	case a.Title != nil && utf8.RuneCountInString(*a.Title) > 255:
		return bad("title has 255 characters at most.")
	case len(a.Message) > 64<<10:
		return bad("message has 64 KB at most.")
	}
	return nil
}

func (s *Server) annotationRoutes() []route {
	return []route{
		{method: "GET", pattern: repoPath + "/check-runs/{check_run_id}/annotations", perms: anyOf("checks:read"), handle: locked(s.listAnnotations)},
	}
}

func (s *Server) listAnnotations(c *call) (any, error) {
	run, err := c.checkRun()
	if err != nil {
		return nil, err
	}
	list, err := page(c, run.output.Annotations)
	if err != nil {
		return nil, err
	}
	out := []annotationJSON{}
	for _, a := range list {
		out = append(out, annotationJSON{a, c.repo.links.HTMLURL + "/blob/" + run.suite.sha + "/" + a.Path})
	}
	return out, nil
}
