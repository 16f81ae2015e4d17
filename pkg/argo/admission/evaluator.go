package admission

import (
	"context"
	"fmt"
	"reflect"

	celgo "github.com/google/cel-go/cel"
	admissionv1 "k8s.io/api/admission/v1"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
)

// frozenRule is the one rule that CEL cannot check.
const frozenRule = "deployment-frozen"

// errorRule is the name in a Denial for a rule that could not be evaluated.
const errorRule = "unreadable"

// Denial is a rule that a write breaks.
type Denial struct {
	// Rule is its name; "unreadable" when the rules could not be evaluated.
	Rule string
	// Message is one line for whoever sent the write.
	Message string
}

// Evaluator runs the rules on admission requests. It is safe for concurrent use.
type Evaluator struct {
	rules      []compiledRule
	frozen     Rule
	conditions []celgo.Program
	variables  map[string]variable
}

type compiledRule struct {
	Rule
	program celgo.Program
}

// NewEvaluator compiles the rules.
func NewEvaluator(settings Settings) (*Evaluator, error) {
	s, err := settings.complete()
	if err != nil {
		return nil, err
	}
	rules, err := Rules(s)
	if err != nil {
		return nil, err
	}
	c, err := newCompiler(variables(s))
	if err != nil {
		return nil, err
	}
	e := &Evaluator{variables: c.variables}
	for _, rule := range rules {
		if rule.Expression == "" {
			e.frozen = rule
			continue
		}
		program, err := c.compile("rule "+rule.Name, rule.Expression)
		if err != nil {
			return nil, err
		}
		e.rules = append(e.rules, compiledRule{rule, program})
	}
	for _, condition := range []Condition{protects(s), decides(s)} {
		program, err := c.compile("condition "+condition.Name, condition.Expression)
		if err != nil {
			return nil, err
		}
		e.conditions = append(e.conditions, program)
	}
	return e, nil
}

// Relevant says whether the webhook has to judge the request: whether it can change
// what a protected Application deploys, or forges what Argo CD reports. The API server
// sends no other (the webhook's matchConditions are the same expressions). After an
// error the request has to be denied.
func (e *Evaluator) Relevant(ctx context.Context, request *admissionv1.AdmissionRequest) (bool, error) {
	r, err := decode(request)
	if err != nil {
		return false, err
	}
	a, err := e.activate(r)
	if err != nil {
		return false, err
	}
	return e.relevant(ctx, a)
}

func (e *Evaluator) relevant(ctx context.Context, a *activation) (bool, error) {
	for _, condition := range e.conditions {
		holds, err := truthOf(ctx, condition, a)
		if err != nil {
			return false, fmt.Errorf("evaluate the conditions: %w", err)
		}
		if !holds {
			return false, nil
		}
	}
	return true, nil
}

// Check returns the rules that the request breaks; none for the deletion of an
// Application, about which the rules say nothing. It does not look at whether the
// Application is protected. What cannot be evaluated is a denial. An error says that the
// request could not be read, and that it has to be denied.
func (e *Evaluator) Check(ctx context.Context, request *admissionv1.AdmissionRequest) ([]Denial, error) {
	r, err := decode(request)
	if err != nil {
		return nil, err
	}
	a, err := e.activate(r)
	if err != nil {
		return []Denial{{errorRule, "Gatekeeper cannot judge this write: it could not read who sent it."}}, nil //nolint:nilerr // it is in the denial
	}
	return e.check(ctx, r, a), nil
}

func (e *Evaluator) check(ctx context.Context, r *review, a *activation) []Denial {
	if r.new == nil {
		return nil
	}
	var denials []Denial
	for _, rule := range e.rules {
		holds, err := truthOf(ctx, rule.program, a)
		switch {
		case err != nil:
			denials = append(denials, Denial{errorRule, "Gatekeeper cannot judge this write by its rule " + rule.Name + "."})
		case !holds:
			denials = append(denials, Denial{rule.Name, rule.Message})
		}
	}
	if altersOperation(r) {
		denials = append(denials, Denial{e.frozen.Name, e.frozen.Message})
	}
	return denials
}

// altersOperation says whether a write changes what an operation that stays on the
// object deploys.
func altersOperation(r *review) bool {
	before, set := r.old["operation"].(map[string]any)
	after, kept := r.new["operation"].(map[string]any)
	if !set || !kept {
		return false
	}
	if reflect.DeepEqual(before, after) && reflect.DeepEqual(r.old["spec"], r.new["spec"]) && reflect.DeepEqual(r.old["metadata"], r.new["metadata"]) {
		return false
	}
	return argo.Digest(argo.Effective(r.old, before)) != argo.Digest(argo.Effective(r.new, after)) ||
		argo.Digest(r.old) != argo.Digest(r.new) || !reflect.DeepEqual(plain(before), plain(after))
}

// plain is an operation without its sources, which a digest covers, and without the
// empty values that Argo CD's types leave out or put in.
func plain(operation map[string]any) any {
	sync, _ := operation["sync"].(map[string]any)
	rest := map[string]any{}
	for key, value := range sync {
		if key != "source" && key != "sources" {
			rest[key] = value
		}
	}
	return withoutEmpty(map[string]any{"sync": rest, "info": operation["info"], "initiatedBy": operation["initiatedBy"], "retry": operation["retry"]})
}

// withoutEmpty is nil for a value that is empty once everything empty in it is gone.
func withoutEmpty(value any) any {
	switch v := value.(type) {
	case map[string]any:
		kept := map[string]any{}
		for key, item := range v {
			if item = withoutEmpty(item); item != nil {
				kept[key] = item
			}
		}
		if len(kept) == 0 {
			return nil
		}
		return kept
	case []any:
		if len(v) == 0 {
			return nil
		}
		return v
	case string:
		if v == "" {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	case int64:
		if v == 0 {
			return nil
		}
	}
	return value
}
