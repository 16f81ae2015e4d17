package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control/wire"
)

func (a *API) doOperations() []operation {
	return []operation{
		op("GET", "do", "list the control calls that do can make", "", func(context.Context, struct{}) ([]ControlCall, error) { return ControlCalls(), nil }),
		op("POST", "do/{call}", "make a control call by its Go name, like Server.RenameRepository: for calls that have no operation of their own", "", a.do),
	}
}

// ControlCall is a method of standin.Server or standin.As whose arguments and results can travel.
type ControlCall struct {
	Call    string   // "Server.Install"
	Args    []string // types; a last one that ends in "..." may be repeated or left out
	Results []string
}

// notCallable end the process, or are what as does.
var notCallable = []string{"Server.Close", "Server.As"}

var (
	errorType   = reflect.TypeFor[error]()
	contextType = reflect.TypeFor[context.Context]()
)

// ControlCalls lists the control calls that the operation do can make.
func ControlCalls() []ControlCall {
	var out []ControlCall
	for _, recv := range []reflect.Type{reflect.TypeFor[*standin.Server](), reflect.TypeFor[standin.As]()} {
		for m := range recv.Methods() {
			if one, ok := controlCall(m); ok {
				out = append(out, one)
			}
		}
	}
	return out
}

func controlCall(m reflect.Method) (ControlCall, bool) {
	recv := m.Type.In(0)
	if recv.Kind() == reflect.Pointer {
		recv = recv.Elem()
	}
	out := ControlCall{Call: recv.Name() + "." + m.Name}
	if slices.Contains(notCallable, out.Call) {
		return out, false
	}
	for i := 1; i < m.Type.NumIn(); i++ {
		in := m.Type.In(i)
		switch {
		case in == contextType:
			continue
		case !travels(in, nil):
			return out, false
		case m.Type.IsVariadic() && i == m.Type.NumIn()-1:
			out.Args = append(out.Args, wire.TypeName(in.Elem())+"...")
		default:
			out.Args = append(out.Args, wire.TypeName(in))
		}
	}
	for result := range m.Type.Outs() {
		if result == errorType {
			continue
		}
		if !travels(result, nil) {
			return out, false
		}
		out.Results = append(out.Results, wire.TypeName(result))
	}
	return out, true
}

// travels tells whether values of a type can be written and read by package wire.
func travels(t reflect.Type, above []reflect.Type) bool {
	if slices.Contains(above, t) || wire.TypeName(t) == "time" {
		return true
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		return true
	case reflect.Slice:
		return t.Elem().Kind() == reflect.Uint8 || travels(t.Elem(), append(above, t))
	case reflect.Pointer:
		return travels(t.Elem(), append(above, t))
	case reflect.Map:
		return t.Key().Kind() == reflect.String && travels(t.Elem(), append(above, t))
	case reflect.Struct:
		for _, f := range wire.Fields(t) {
			if !travels(f.Type, append(above, t)) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

type inDo struct {
	Call string            `path:"call" doc:"as GET do lists it"`
	As   string            `doc:"login of the person who acts; for calls of As"`
	Args []json.RawMessage `doc:"in the order of the Go call; its context is left out"`
}

// Results are what a control call returned, without its error.
type Results struct{ Results []any }

func (a *API) do(ctx context.Context, in inDo) (Results, error) {
	calls := ControlCalls()
	i := slices.IndexFunc(calls, func(c ControlCall) bool { return c.Call == in.Call })
	if i < 0 {
		return Results{}, problemf(http.StatusNotFound, "there is no control call %q; GET %sdo lists them", in.Call, Prefix)
	}
	recv, name := reflect.ValueOf(a.s), strings.TrimPrefix(in.Call, "Server.")
	if method, ok := strings.CutPrefix(in.Call, "As."); ok {
		if in.As == "" {
			return Results{}, problemf(http.StatusBadRequest, "as: is needed: login of the person who acts")
		}
		recv, name = reflect.ValueOf(a.s.As(in.As)), method
	}
	f := recv.MethodByName(name)
	args, err := doArgs(ctx, f.Type(), calls[i], in.Args)
	if err != nil {
		return Results{}, err
	}
	out := Results{Results: []any{}}
	for _, v := range f.Call(args) {
		if v.Type() != errorType {
			out.Results = append(out.Results, v.Interface())
			continue
		}
		if err, failed := reflect.TypeAssert[error](v); failed {
			return Results{}, err
		}
	}
	return out, nil
}

func doArgs(ctx context.Context, f reflect.Type, c ControlCall, given []json.RawMessage) ([]reflect.Value, error) {
	least := len(c.Args)
	if f.IsVariadic() {
		least--
	}
	if len(given) < least || (len(given) > least && !f.IsVariadic()) {
		return nil, problemf(http.StatusBadRequest, "args: %s takes %d: %s; %d were given", c.Call, len(c.Args), strings.Join(c.Args, ", "), len(given))
	}
	var out []reflect.Value
	if f.NumIn() > 0 && f.In(0) == contextType {
		out = append(out, reflect.ValueOf(ctx))
	}
	for i, raw := range given {
		at := min(len(out), f.NumIn()-1)
		t := f.In(at)
		if f.IsVariadic() && at == f.NumIn()-1 {
			t = t.Elem()
		}
		v := reflect.New(t)
		if err := wire.Unmarshal(raw, v.Interface()); err != nil {
			return nil, problemf(http.StatusBadRequest, "args[%d]: %s", i, fmt.Sprint(err))
		}
		out = append(out, v.Elem())
	}
	return out, nil
}
