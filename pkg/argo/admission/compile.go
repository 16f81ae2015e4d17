package admission

import (
	"context"
	"errors"
	"fmt"
	"strings"

	celgo "github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/cel/environment"
)

// oldestKubernetes is the first version in which both kinds of objects are stable. An
// expression that compiles with what it knows does so in every newer one.
var oldestKubernetes = version.MajorMinor(1, 30)

// checkInterval is after how many steps of a loop a cancelled context is noticed.
const checkInterval = 1000

// compiler makes programs from expressions. They are checked in the environment that the
// API server has for them, and run in one without its accounting of cost, which makes it
// plan a program anew for each evaluation: that alone took milliseconds for our rules.
type compiler struct {
	check, run *celgo.Env
	variables  map[string]variable
}

// variable is one of the policy's. The index is its place in an activation's cache.
type variable struct {
	index   int
	program celgo.Program
}

// variablePrefix is how expressions name variables.
const variablePrefix = "variables."

func newCompiler(declared []Variable) (*compiler, error) {
	options := []celgo.EnvOption{
		celgo.Variable("object", celgo.DynType), celgo.Variable("oldObject", celgo.DynType), celgo.Variable("request", celgo.DynType),
	}
	for _, v := range declared {
		options = append(options, celgo.Variable(variablePrefix+v.Name, celgo.DynType))
	}
	set, err := environment.MustBaseEnvSet(oldestKubernetes, false).Extend(environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0), EnvOptions: options,
	})
	if err != nil {
		return nil, fmt.Errorf("prepare the rules: %w", err)
	}
	c := &compiler{variables: map[string]variable{}}
	if c.check, err = set.Env(environment.NewExpressions); err != nil {
		return nil, fmt.Errorf("prepare the rules: %w", err)
	}
	if c.run, err = celgo.NewEnv(append(options, celgo.OptionalTypes(), celgo.CustomTypeAdapter(sharing{}))...); err != nil {
		return nil, fmt.Errorf("prepare the rules: %w", err)
	}
	for i, v := range declared {
		program, err := c.compile("variable "+v.Name, v.Expression)
		if err != nil {
			return nil, err
		}
		c.variables[v.Name] = variable{i, program}
	}
	return c, nil
}

func (c *compiler) compile(what, expression string) (celgo.Program, error) {
	checked, issues := c.check.Compile(expression)
	if err := issues.Err(); err != nil {
		return nil, fmt.Errorf("compile %s: %w", what, err)
	}
	program, err := c.run.Program(checked, celgo.EvalOptions(celgo.OptOptimize), celgo.InterruptCheckFrequency(checkInterval))
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", what, err)
	}
	return program, nil
}

// activation gives the names in an expression their values. Variables are evaluated once,
// when they are asked for. It is used by one goroutine.
type activation struct {
	object, oldObject, request any
	variables                  map[string]variable
	values                     []ref.Val
}

// activate prepares an evaluation of the request. What the rules use of the request
// itself is there, and nothing else: a rule that uses more fails in its tests.
func (e *Evaluator) activate(r *review) (*activation, error) {
	if r.request.UserInfo.Username == "" {
		return nil, errors.New("the request has no user")
	}
	a := &activation{
		request: map[string]any{
			"operation": string(r.request.Operation),
			"userInfo":  map[string]any{"username": r.request.UserInfo.Username},
		},
		variables: e.variables, values: make([]ref.Val, len(e.variables)),
	}
	if r.old != nil {
		a.oldObject = sharing{}.NativeToValue(r.old)
	}
	if r.new != nil {
		a.object = sharing{}.NativeToValue(r.new)
	}
	return a, nil
}

// ResolveName implements interpreter.Activation.
func (a *activation) ResolveName(name string) (any, bool) {
	switch name {
	case "object":
		return a.object, true
	case "oldObject":
		return a.oldObject, true
	case "request":
		return a.request, true
	}
	short, ok := strings.CutPrefix(name, variablePrefix)
	if !ok {
		return nil, false
	}
	v, ok := a.variables[short]
	if !ok {
		return nil, false
	}
	if a.values[v.index] == nil {
		value, _, err := v.program.Eval(a)
		if err != nil {
			value = types.NewErr("variable %s: %v", short, err)
		}
		a.values[v.index] = value
	}
	return a.values[v.index], true
}

// Parent implements interpreter.Activation.
func (a *activation) Parent() interpreter.Activation { return nil }

// truthOf runs a program that yields a truth value.
func truthOf(ctx context.Context, program celgo.Program, a *activation) (bool, error) {
	value, _, err := program.ContextEval(ctx, a)
	if err != nil {
		return false, err
	}
	truth, ok := value.(types.Bool)
	if !ok {
		return false, fmt.Errorf("the result is a %s", value.Type())
	}
	return bool(truth), nil
}
