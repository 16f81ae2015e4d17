package control_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control"
)

// notOverHTTP are control methods without an operation, with the reason.
var notOverHTTP = map[string]string{
	"Server.As":         "the field as of each operation",
	"Server.Close":      "stops the process that answers; end it with a signal",
	"Server.Mount":      "takes Go code",
	"Server.MountPages": "takes Go code",
	"Server.MountFiles": "takes Go code",
	"Server.Fail":       "Server.AddFault for callers who keep a function",
}

// TestEveryControlCallIsReachable keeps the API from falling behind the Go calls: every exported method is
// named by an operation or has a reason here, and what an operation names is really called in this package.
func TestEveryControlCallIsReachable(t *testing.T) {
	methods := map[string]bool{}
	for name, typ := range map[string]reflect.Type{"Server": reflect.TypeFor[*standin.Server](), "As": reflect.TypeFor[standin.As]()} {
		for m := range typ.Methods() {
			methods[name+"."+m.Name] = true
		}
	}
	named := map[string]bool{}
	w := newWorld(t, control.Options{})
	for _, one := range w.api.Operations() {
		for name := range strings.FieldsSeq(one.Go) {
			named[name] = true
			require.True(t, methods[name], "%s %s names %s, which does not exist", one.Method, one.Path, name)
		}
	}
	called := calledNames(t)
	for name := range methods {
		reason := notOverHTTP[name]
		byName := slices.ContainsFunc(control.ControlCalls(), func(c control.ControlCall) bool { return c.Call == name })
		require.True(t, named[name] || byName || reason != "",
			"%s cannot be reached over HTTP: its arguments or results cannot travel; add an operation, or a reason to notOverHTTP", name)
		if !named[name] && reason == "" {
			t.Logf("%s has no operation of its own: it is reached by POST do/%s alone", name, name)
		}
		require.False(t, (named[name] || byName) && reason != "", "%s is reachable: remove its reason", name)
		_, method, _ := strings.Cut(name, ".")
		require.True(t, !named[name] || called[method], "an operation names %s, but nothing here calls it", name)
	}
	for name := range notOverHTTP {
		require.True(t, methods[name], "%s does not exist any more", name)
	}
}

// calledNames are the names after a dot in this package's own code.
func calledNames(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	out := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(tree, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				out[s.Sel.Name] = true
			}
			return true
		})
	}
	return out
}

// TestIndexDescribesEveryField reads the list of operations as a client would.
func TestIndexDescribesEveryField(t *testing.T) {
	w := newWorld(t, control.Options{})
	index := into[control.Index](t, w.ok("GET", "", ""))
	require.Equal(t, w.api.Operations(), withoutNil(index.Operations))
	at := slices.IndexFunc(index.Operations, func(o control.Operation) bool {
		return o.Method == "POST" && o.Path == control.Prefix+"repositories/{owner}/{repo}/pulls"
	})
	var fields []string
	for _, f := range index.Operations[at].Fields {
		fields = append(fields, fmt.Sprintf("%s %s %s %v", f.In, f.Name, f.Type, f.Required))
	}
	require.Equal(t, []string{"path owner text true", "path repo text true", "body as text true", "body branch text false", "body base text false",
		"body title text false", "body body text false", "body draft true or false false", "body head_repo text false", "body files map of text false",
		"body modes map of text false", "body delete list of text false", "body message text false", "body author object false",
		"body committer object false"}, fields)
	for _, o := range index.Operations {
		require.NotEmpty(t, o.Summary)
	}
}

// withoutNil makes empty lists nil, as they are before they travel.
func withoutNil(list []control.Operation) []control.Operation {
	for i := range list {
		list[i].Fields = fieldsWithoutNil(list[i].Fields)
	}
	return list
}

func fieldsWithoutNil(list []control.InputField) []control.InputField {
	if len(list) == 0 {
		return nil
	}
	for i := range list {
		list[i].Fields = fieldsWithoutNil(list[i].Fields)
	}
	return list
}

// installationToken makes a key known to the stand-in through a second App and asks for a token, over HTTP alone.
func (w *world) installationToken() string {
	w.t.Helper()
	key, text, err := freshKey()
	require.NoError(w.t, err)
	body, err := json.Marshal(map[string]any{"slug": "checker", "owner": "acme", "private_key_pem": text, "permissions": map[string]string{"checks": "write"}})
	require.NoError(w.t, err)
	app := into[control.NewApp](w.t, w.ok("POST", "apps", string(body)))
	i := into[control.NewID](w.t, w.ok("POST", fmt.Sprintf("apps/%d/installations", app.ID), `{"account":"acme","repositories":["env"]}`)).ID
	now := time.Now()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"iss": fmt.Sprint(app.ID), "iat": now.Add(-time.Minute).Unix(),
		"exp": now.Add(5 * time.Minute).Unix()}).SignedString(key)
	require.NoError(w.t, err)
	req, err := http.NewRequestWithContext(w.t.Context(), "POST", fmt.Sprintf("%sapp/installations/%d/access_tokens", w.s.APIURL(), i), nil)
	require.NoError(w.t, err)
	req.Header.Set("Authorization", "Bearer "+signed)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, resp.Body.Close()) }()
	var out struct{ Token string }
	require.NoError(w.t, json.NewDecoder(resp.Body).Decode(&out))
	require.NotEmpty(w.t, out.Token)
	return out.Token
}

func freshKey() (*rsa.PrivateKey, string, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, "", err
	}
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})), nil
}

func jsonAny(text []byte, into *any) error { return json.Unmarshal(text, into) }
