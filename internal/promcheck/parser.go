package promcheck

import (
	"fmt"
	"regexp"
	"slices"
)

// Matcher is what a selector asks of a label.
type Matcher struct{ Label, Operator, Value string }

// Selector is a metric with what is asked of its labels.
type Selector struct {
	Metric   string
	Matchers []Matcher
}

// Query is what a query names.
type Query struct {
	Selectors []Selector
	// By are the labels of its outermost aggregation; nil when it has none, and all labels
	// stay.
	By []string
	// Labels are all that aggregations name.
	Labels []string
}

// The functions and aggregations that are known.
var (
	functions    = []string{"rate", "increase", "histogram_quantile", "time", "clamp_min", "max_over_time", "delta"}
	aggregations = []string{"sum", "min", "max", "avg", "count"}
)

// Parse reads a query.
func Parse(text string) (Query, error) {
	tokens, err := lex(text)
	if err != nil {
		return Query{}, err
	}
	p := &parser{tokens: tokens}
	if err := p.expression(0); err != nil {
		return Query{}, fmt.Errorf("%w in %q", err, text)
	}
	if p.peek().kind != kindEnd {
		return Query{}, fmt.Errorf("%q is left over in %q", p.peek().text, text)
	}
	return p.query, nil
}

type parser struct {
	tokens []token
	query  Query
}

func (p *parser) peek() token { return p.tokens[0] }

func (p *parser) take() token {
	t := p.tokens[0]
	if t.kind != kindEnd {
		p.tokens = p.tokens[1:]
	}
	return t
}

func (p *parser) accept(operator string) bool {
	if t := p.peek(); t.kind != kindOperator || t.text != operator {
		return false
	}
	p.take()
	return true
}

func (p *parser) expect(operator string) error {
	if !p.accept(operator) {
		return fmt.Errorf("%q where %q is expected", p.peek().text, operator)
	}
	return nil
}

// deepest bounds how far expressions are nested.
const deepest = 100

// expression is operands with operators between them. Which of them goes first does not
// matter to what is named.
func (p *parser) expression(depth int) error {
	if depth > deepest {
		return fmt.Errorf("more than %d levels", deepest)
	}
	for {
		if err := p.operand(depth); err != nil {
			return err
		}
		t := p.peek()
		if t.kind != kindOperator || !slices.Contains([]string{"+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<="}, t.text) {
			return nil
		}
		p.take()
	}
}

func (p *parser) operand(depth int) error {
	t := p.take()
	switch {
	case t.kind == kindNumber:
		return nil
	case t.kind == kindOperator && t.text == "(":
		if err := p.expression(depth + 1); err != nil {
			return err
		}
		return p.expect(")")
	case t.kind == kindOperator && t.text == "-":
		return p.operand(depth + 1)
	case t.kind == kindName && slices.Contains(aggregations, t.text):
		return p.aggregation(depth)
	case t.kind == kindName && p.peek() == (token{kindOperator, "("}):
		return p.call(t.text, depth)
	case t.kind == kindName:
		return p.selector(t.text)
	default:
		return fmt.Errorf("%q where a metric is expected", t.text)
	}
}

// aggregation is "sum by (a, b) (expression)", or the same without by.
func (p *parser) aggregation(depth int) error {
	by := []string{}
	if p.peek() == (token{kindName, "by"}) {
		p.take()
		if err := p.expect("("); err != nil {
			return err
		}
		for {
			label := p.take()
			if label.kind != kindName {
				return fmt.Errorf("%q where a label is expected", label.text)
			}
			by = append(by, label.text)
			if !p.accept(",") {
				break
			}
		}
		if err := p.expect(")"); err != nil {
			return err
		}
	}
	if p.query.By == nil {
		p.query.By = by
	}
	p.query.Labels = append(p.query.Labels, by...)
	if err := p.expect("("); err != nil {
		return err
	}
	if err := p.expression(depth + 1); err != nil {
		return err
	}
	return p.expect(")")
}

func (p *parser) call(name string, depth int) error {
	if !slices.Contains(functions, name) {
		return fmt.Errorf("%q is no function that is known", name)
	}
	if err := p.expect("("); err != nil {
		return err
	}
	for !p.accept(")") {
		if err := p.expression(depth + 1); err != nil {
			return err
		}
		if !p.accept(",") {
			return p.expect(")")
		}
	}
	return nil
}

var lengthOfTime = regexp.MustCompile(`^([0-9]+(ms|[smhdwy]))+$`)

// selector is "metric{label="value"}[5m]", of which the last two may be missing.
func (p *parser) selector(metric string) error {
	s := Selector{Metric: metric}
	if p.accept("{") {
		for !p.accept("}") {
			label, operator, value := p.take(), p.take(), p.take()
			if label.kind != kindName || value.kind != kindString || !slices.Contains([]string{"=", "!=", "=~", "!~"}, operator.text) {
				return fmt.Errorf("%q where a matcher is expected", label.text+operator.text+value.text)
			}
			s.Matchers = append(s.Matchers, Matcher{label.text, operator.text, value.text})
			if !p.accept(",") {
				if err := p.expect("}"); err != nil {
					return err
				}
				break
			}
		}
	}
	if p.accept("[") {
		if t := p.take(); t.kind != kindNumber || !lengthOfTime.MatchString(t.text) {
			return fmt.Errorf("%q where a length of time is expected", t.text)
		}
		if err := p.expect("]"); err != nil {
			return err
		}
	}
	p.query.Selectors = append(p.query.Selectors, s)
	return nil
}
