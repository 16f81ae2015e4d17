package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// routeCount sums up the requests to one route.
type routeCount struct {
	Kind, Route    string
	Count, Failed  int
	Total, Slowest time.Duration
}

// Mean is how long a request took on average.
func (c routeCount) Mean() time.Duration { return c.Total / time.Duration(max(c.Count, 1)) }

type callsData struct {
	Total  int
	Routes []routeCount
	Calls  []standin.Call // newest first
}

const shownCalls = 200

// calls is the log of requests to the API and to git; requests for pages are not in it.
func (s *Site) calls(w http.ResponseWriter, r *http.Request) error {
	p := s.page(r, "Calls")
	list := s.gh.Calls()
	data := callsData{Total: len(list)}
	at := map[string]int{}
	for i := range list {
		c := &list[i]
		if strings.HasPrefix(c.Path, "/app-manifests/") {
			c.Path = "/app-manifests/…" // a code that was not used yet is as good as the key it stands for
		}
		key := c.Kind + " " + c.Pattern
		if _, ok := at[key]; !ok {
			at[key] = len(data.Routes)
			data.Routes = append(data.Routes, routeCount{Kind: c.Kind, Route: c.Pattern})
		}
		sum := &data.Routes[at[key]]
		sum.Count++
		sum.Total += c.Duration
		sum.Slowest = max(sum.Slowest, c.Duration)
		if c.Status >= 400 {
			sum.Failed++
		}
	}
	slices.SortStableFunc(data.Routes, func(a, b routeCount) int { return b.Count - a.Count })
	slices.Reverse(list)
	data.Calls = list[:min(len(list), shownCalls)]
	p.Data = data
	return s.render(w, http.StatusOK, "calls", p)
}

// forgetCalls starts the count again.
func (s *Site) forgetCalls(w http.ResponseWriter, r *http.Request) error {
	if _, err := form(r); err != nil {
		return err
	}
	s.gh.ResetCalls()
	http.Redirect(w, r, "/calls?done=knob", http.StatusSeeOther)
	return nil
}
