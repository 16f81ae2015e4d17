package promcheck

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Series is one line of an exposition, without its value.
type Series struct {
	Metric string
	Labels map[string]string
}

// Exposition are all series of a text.
type Exposition []Series

// ReadExposition reads the text format of Prometheus, version 0.0.4.
func ReadExposition(text string) (Exposition, error) {
	var out Exposition
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		end := strings.LastIndexByte(line, ' ')
		if end < 0 {
			return nil, fmt.Errorf("the line %q has no value", line)
		}
		tokens, err := lex(line[:end])
		if err != nil {
			return nil, err
		}
		p := &parser{tokens: tokens}
		name := p.take()
		if name.kind != kindName {
			return nil, fmt.Errorf("the line %q has no metric", line)
		}
		if err := p.selector(name.text); err != nil || p.peek().kind != kindEnd {
			return nil, fmt.Errorf("the line %q is no series: %w", line, err)
		}
		s := Series{Metric: name.text, Labels: map[string]string{}}
		for _, m := range p.query.Selectors[0].Matchers {
			s.Labels[m.Label] = m.Value
		}
		out = append(out, s)
	}
	return out, nil
}

// Check says what is wrong with a selector: its metric is not there, it asks for a label
// that the metric does not have, or it selects nothing.
func (e Exposition) Check(s Selector) error {
	known, selected := false, false
	for _, series := range e {
		if series.Metric != s.Metric {
			continue
		}
		known = true
		matches := true
		for _, m := range s.Matchers {
			value, has := series.Labels[m.Label]
			if !has {
				return fmt.Errorf("the metric %s has no label %s", s.Metric, m.Label)
			}
			ok, err := m.holds(value)
			if err != nil {
				return fmt.Errorf("the metric %s: %w", s.Metric, err)
			}
			matches = matches && ok
		}
		selected = selected || matches
	}
	switch {
	case !known:
		return fmt.Errorf("there is no metric %s", s.Metric)
	case !selected:
		return fmt.Errorf("nothing is selected by %s%v", s.Metric, s.Matchers)
	default:
		return nil
	}
}

// Has says whether a metric has a label.
func (e Exposition) Has(metric, label string) bool {
	return slices.ContainsFunc(e, func(s Series) bool {
		_, has := s.Labels[label]
		return s.Metric == metric && has
	})
}

func (m Matcher) holds(value string) (bool, error) {
	switch m.Operator {
	case "=":
		return value == m.Value, nil
	case "!=":
		return value != m.Value, nil
	}
	pattern, err := regexp.Compile("^(?:" + m.Value + ")$")
	if err != nil {
		return false, fmt.Errorf("the pattern %q: %w", m.Value, err)
	}
	return pattern.MatchString(value) == (m.Operator == "=~"), nil
}
