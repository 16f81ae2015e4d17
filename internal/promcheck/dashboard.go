package promcheck

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Asked is one query of a dashboard.
type Asked struct {
	// Where is the title of the panel, or the name of the variable.
	Where string
	Text  string
	Query Query
	// Legend are the labels that its legend names.
	Legend []string
}

// dashboard is what matters of Grafana's JSON model.
type dashboard struct {
	Panels     []panel `json:"panels"`
	Templating struct {
		List []struct {
			Name  string          `json:"name"`
			Type  string          `json:"type"`
			Query json.RawMessage `json:"query"`
		} `json:"list"`
	} `json:"templating"`
}

type panel struct {
	Title   string  `json:"title"`
	Type    string  `json:"type"`
	Panels  []panel `json:"panels"`
	Targets []struct {
		Expr   string `json:"expr"`
		Legend string `json:"legendFormat"`
	} `json:"targets"`
}

var (
	variable    = regexp.MustCompile(`\$\{?[A-Za-z_]+\}?`)
	labelValues = regexp.MustCompile(`^label_values\((.*),\s*([A-Za-z_]+)\)$`)
	inLegend    = regexp.MustCompile(`\{\{\s*([A-Za-z_]+)\s*\}\}`)
)

// ReadDashboard reads the queries of a dashboard's panels and variables. The variables in
// them are replaced by values, of which each must be given.
func ReadDashboard(text []byte, values map[string]string) ([]Asked, error) {
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, fmt.Errorf("read the dashboard: %w", err)
	}
	var out []Asked
	add := func(where, text, legend string, more ...string) error {
		var missing []string
		filled := variable.ReplaceAllStringFunc(text, func(name string) string {
			value, ok := values[strings.Trim(name, "${}")]
			if !ok {
				missing = append(missing, name)
			}
			return value
		})
		if len(missing) > 0 {
			return fmt.Errorf("%s: the variables %v have no value", where, missing)
		}
		q, err := Parse(filled)
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		a := Asked{Where: where, Text: filled, Query: q, Legend: more}
		for _, m := range inLegend.FindAllStringSubmatch(legend, -1) {
			a.Legend = append(a.Legend, m[1])
		}
		out = append(out, a)
		return nil
	}
	var errs []error
	var walk func([]panel)
	walk = func(panels []panel) {
		for _, p := range panels {
			if p.Type != "row" && p.Type != "text" && len(p.Targets) == 0 {
				errs = append(errs, fmt.Errorf("%s: the panel has no query", p.Title))
			}
			for _, t := range p.Targets {
				errs = append(errs, add(p.Title, t.Expr, t.Legend))
			}
			walk(p.Panels)
		}
	}
	walk(d.Panels)
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		var q struct {
			Query string `json:"query"`
		}
		if err := json.Unmarshal(v.Query, &q); err != nil {
			errs = append(errs, fmt.Errorf("variable %s: %w", v.Name, err))
			continue
		}
		m := labelValues.FindStringSubmatch(q.Query)
		if m == nil {
			errs = append(errs, fmt.Errorf("variable %s: %q is not label_values(metric, label)", v.Name, q.Query))
			continue
		}
		errs = append(errs, add("variable "+v.Name, m[1], "", m[2]))
	}
	return out, errors.Join(errs...)
}

// Check says what is wrong with the selectors of a query whose metrics the exposition is
// to have.
func (a Asked) Check(e Exposition, has func(metric string) bool) error {
	var errs []error
	for _, s := range a.Query.Selectors {
		if !has(s.Metric) {
			continue
		}
		if err := e.Check(s); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", a.Where, err))
			continue
		}
		for _, label := range append(slices.Clone(a.Query.Labels), a.Legend...) {
			if !e.Has(s.Metric, label) {
				errs = append(errs, fmt.Errorf("%s: the metric %s has no label %s", a.Where, s.Metric, label))
			}
		}
	}
	for _, label := range a.Legend {
		if a.Query.By != nil && !slices.Contains(a.Query.By, label) {
			errs = append(errs, fmt.Errorf("%s: the legend names %s, which the aggregation takes away", a.Where, label))
		}
	}
	return errors.Join(errs...)
}
