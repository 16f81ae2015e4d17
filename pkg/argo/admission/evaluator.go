package admission

import (
	"context"
	"fmt"
	"reflect"

	celgo "github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission"
	plugin "k8s.io/apiserver/pkg/admission/plugin/cel"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"

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

// Evaluator runs the rules on admission requests, with the machinery that the API
// server itself has for them. It is safe for concurrent use.
type Evaluator struct {
	rules      []Rule // those with an expression, in the order of the filter
	filter     plugin.Filter
	conditions plugin.Filter
	frozen     Rule
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
	// What the oldest supported API server knows, so that an expression which this
	// evaluator takes is one that it takes, too.
	env := environment.MustBaseEnvSet(version.MajorMinor(1, 30), false)
	compiler, err := plugin.NewCompositedCompiler(env)
	if err != nil {
		return nil, fmt.Errorf("prepare the rules: %w", err)
	}
	options := plugin.OptionalVariableDeclarations{}
	for _, variable := range variables(s) {
		result := compiler.CompileAndStoreVariable(named{accessor{variable.Expression, celgo.AnyType}, variable.Name}, options, environment.NewExpressions)
		if result.Error != nil {
			return nil, fmt.Errorf("compile variable %s: %w", variable.Name, result.Error)
		}
	}
	e := &Evaluator{}
	var expressions []plugin.ExpressionAccessor
	for _, rule := range rules {
		if rule.Expression == "" {
			e.frozen = rule
			continue
		}
		e.rules = append(e.rules, rule)
		expressions = append(expressions, accessor{rule.Expression, celgo.BoolType})
	}
	filter := compiler.Compile(expressions, options, environment.NewExpressions)
	if failures := filter.CompilationErrors(); len(failures) > 0 {
		return nil, fmt.Errorf("compile the rules: %w", failures[0])
	}
	e.filter = filter
	var conditions []plugin.ExpressionAccessor
	for _, condition := range []Condition{protects(s), decides(s)} {
		conditions = append(conditions, accessor{condition.Expression, celgo.BoolType})
	}
	e.conditions = plugin.NewFilterCompiler(env).Compile(conditions, options, environment.NewExpressions)
	if failures := e.conditions.CompilationErrors(); len(failures) > 0 {
		return nil, fmt.Errorf("compile the conditions: %w", failures[0])
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
	return e.relevant(ctx, r)
}

func (e *Evaluator) relevant(ctx context.Context, r *review) (bool, error) {
	results, _, err := e.evaluate(ctx, e.conditions, r, celconfig.RuntimeCELCostBudgetMatchConditions)
	if err != nil {
		return false, fmt.Errorf("evaluate the conditions: %w", err)
	}
	for _, result := range results {
		if result.Error != nil {
			return false, fmt.Errorf("evaluate the conditions: %w", result.Error)
		}
		if result.EvalResult != types.True {
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
	return e.check(ctx, r), nil
}

func (e *Evaluator) check(ctx context.Context, r *review) []Denial {
	if r.new == nil {
		return nil
	}
	results, _, err := e.evaluate(ctx, e.filter, r, celconfig.RuntimeCELCostBudget)
	if err != nil || len(results) != len(e.rules) {
		return []Denial{{errorRule, "Gatekeeper cannot judge this write: its rules could not be evaluated."}}
	}
	var denials []Denial
	for i, result := range results {
		switch {
		case result.Error != nil:
			denials = append(denials, Denial{errorRule, "Gatekeeper cannot judge this write by its rule " + e.rules[i].Name + "."})
		case result.EvalResult != types.True:
			denials = append(denials, Denial{e.rules[i].Name, e.rules[i].Message})
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

// evaluate returns the results and the cost that is left.
func (e *Evaluator) evaluate(ctx context.Context, filter plugin.Filter, r *review, budget int64) ([]plugin.EvaluationResult, int64, error) {
	attributes := &admission.VersionedAttributes{VersionedOldObject: runtimeObject(r.old), VersionedObject: runtimeObject(r.new)}
	// The API server leaves the objects out of the variable request, too.
	request := *r.request
	request.Object.Raw, request.OldObject.Raw = nil, nil
	return filter.ForInput(ctx, attributes, &request, plugin.OptionalVariableBindings{}, nil, budget)
}

// accessor is an expression of one type.
type accessor struct {
	expression string
	result     *celgo.Type
}

// GetExpression implements the compiler's interface.
func (a accessor) GetExpression() string { return a.expression }

// ReturnTypes implements the compiler's interface.
func (a accessor) ReturnTypes() []*celgo.Type { return []*celgo.Type{a.result} }

type named struct {
	accessor
	name string
}

// GetName implements the compiler's interface.
func (n named) GetName() string { return n.name }
