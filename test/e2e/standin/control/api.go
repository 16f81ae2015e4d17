package control

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control/wire"
)

// Prefix is where the API is mounted.
const Prefix = "/_standin/v1/"

// maxBody bounds request bodies; a seed with many files is the largest.
const maxBody = 8 << 20

// Options of New.
type Options struct {
	// Save keeps a secret that was just made, and returns the path of the file, which the answer then
	// names. Names look like "tokens/bob" and "apps/gatekeeper.pem". Nothing is kept when nil.
	Save func(name string, secret []byte) (path string, err error)
}

// API answers requests below Prefix. It holds no state of its own.
type API struct {
	s      *standin.Server
	save   func(string, []byte) (string, error)
	ops    []operation
	mux    *http.ServeMux
	origin *http.CrossOriginProtection
}

// New makes the API of a stand-in; Server.Mount serves it:
//
//	s.Mount(control.Prefix, control.New(s, control.Options{}))
func New(s *standin.Server, o Options) *API {
	a := &API{s: s, save: o.Save, mux: http.NewServeMux(), origin: http.NewCrossOriginProtection()}
	a.ops = a.operations()
	for _, one := range a.ops {
		a.mux.Handle(one.method+" "+Prefix+one.path, bound{a, one})
	}
	return a
}

// operation is one row of the table.
type operation struct {
	method, path string // the path without Prefix
	summary      string
	calls        string // the control methods it reaches, "Server.CreateUser As.Merge"
	in, out      reflect.Type
	run          func(ctx context.Context, in reflect.Value) (any, error)
}

// op describes an operation by a function. Fields of In with a path tag come from the address, the
// others from the query (GET, DELETE) or from the body.
func op[In, Out any](method, path, summary, calls string, run func(context.Context, In) (Out, error)) operation {
	return operation{method: method, path: path, summary: summary, calls: calls, in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](),
		run: func(ctx context.Context, in reflect.Value) (any, error) { return run(ctx, in.Interface().(In)) }}
}

// done is the answer of operations that have nothing to tell.
type done struct{}

// nothing turns an error alone into an answer.
func nothing(err error) (done, error) { return done{}, err }

func (a *API) operations() []operation {
	return slices.Concat(a.lookOperations(), a.peopleOperations(), a.repositoryOperations(), a.pullOperations(),
		a.pullHistoryOperations(), a.reviewOperations(), a.appOperations(), a.deliveryOperations(), a.faultOperations(), a.rulesetOperations(), a.doOperations())
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !loopback(r.Host) {
		a.refuse(w, problemf(http.StatusForbidden, "the host %q is not a loopback address: use 127.0.0.1 or localhost", r.Host))
		return
	}
	if err := a.origin.Check(r); err != nil {
		a.refuse(w, problemf(http.StatusForbidden, "%v: web pages of other origins may not control the stand-in", err))
		return
	}
	if _, pattern := a.mux.Handler(r); pattern == "" {
		a.refuse(w, a.unknown(r))
		return
	}
	a.mux.ServeHTTP(w, r)
}

// loopback tells whether a Host header names this machine.
func loopback(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil && ip.IsLoopback()
}

// unknown says what an address without an operation could have meant.
func (a *API) unknown(r *http.Request) *problem {
	var allowed []string
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := a.mux.Handler(other); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if allowed != nil {
		return problemf(http.StatusMethodNotAllowed, "%s is not possible for %s; possible: %s", r.Method, r.URL.Path, strings.Join(allowed, ", "))
	}
	return problemf(http.StatusNotFound, "there is no operation %s %s; GET %s lists them", r.Method, r.URL.Path, Prefix)
}

// bound is an operation as an http.Handler.
type bound struct {
	a  *API
	op operation
}

func (b bound) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in := reflect.New(b.op.in).Elem()
	out, err := any(nil), b.read(w, r, in)
	if err == nil {
		out, err = b.op.run(r.Context(), in)
	}
	if err != nil {
		b.a.refuse(w, b.a.explain(in, err))
		return
	}
	b.a.write(w, http.StatusOK, out)
}

// read fills the input.
func (b bound) read(w http.ResponseWriter, r *http.Request, in reflect.Value) error {
	for _, f := range reflect.VisibleFields(b.op.in) {
		if name := f.Tag.Get("path"); name != "" {
			if err := wire.SetText(name, in.FieldByIndex(f.Index), r.PathValue(name), true); err != nil {
				return err
			}
		}
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return problemf(http.StatusRequestEntityTooLarge, "the body cannot be read: %v; %d bytes are allowed", err, maxBody)
	}
	if b.op.in == reflect.TypeFor[document]() {
		in.Field(0).SetBytes(raw)
		return nil
	}
	if inQuery(b.op.method) {
		if len(raw) > 0 {
			return problemf(http.StatusBadRequest, "%s takes query parameters and no body", r.Method)
		}
		return readQuery(r, in)
	}
	if r.URL.RawQuery != "" {
		return problemf(http.StatusBadRequest, "%s takes a JSON body and no query parameters", r.Method)
	}
	if len(raw) == 0 {
		raw = []byte("{}")
	}
	return wire.Unmarshal(raw, in.Addr().Interface())
}

func inQuery(method string) bool { return method == http.MethodGet || method == http.MethodDelete }

// readQuery is as strict as wire.Unmarshal.
func readQuery(r *http.Request, in reflect.Value) error {
	given := r.URL.Query()
	for _, f := range wire.Fields(in.Type()) {
		values := given[f.Name]
		delete(given, f.Name)
		switch {
		case len(values) > 1:
			return &wire.Error{Place: f.Name, What: "the parameter appears twice"}
		case len(values) == 1:
			if err := wire.SetText(f.Name, f.In(in), values[0], true); err != nil {
				return err
			}
		case f.Required:
			return &wire.Error{Place: f.Name, What: "is needed: " + f.Doc}
		}
	}
	for name := range given {
		var names []string
		for _, f := range wire.Fields(in.Type()) {
			names = append(names, f.Name)
		}
		return &wire.Error{Place: name, What: "unknown parameter; the parameters here are: " + strings.Join(names, ", ")}
	}
	return nil
}

func (a *API) write(w http.ResponseWriter, status int, v any) {
	text, err := wire.Marshal(v)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error": "the answer cannot be written", "status": 500}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the caller may be gone already
}
