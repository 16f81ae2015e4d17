package admission

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// FuzzInput: what is read is what a client of Kubernetes reads, or it is refused.
func FuzzInput(f *testing.F) {
	for _, text := range []string{
		`{}`, `[]`, `null`, `0`, `-0`, `-0.0`, `1.0`, `1e2`, `9223372036854775807`, `9223372036854775808`, `1e400`, `"a\u0000\ud83d\ude00"`,
		`{"a": {"b": [1, {"c": null}, [], true, false]}, "": " "}`, `{"\u0073pec": 1}`, `[1,]`, `{"a":1} x`, `"` + "\xff" + `"`, `{"a":1,"a":2}`, `{"a`, `[{`, ``,
	} {
		f.Add([]byte(text))
	}
	files, err := filepath.Glob(filepath.Join("..", "testdata", "applications", "*.json"))
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want any
		wantErr := utiljson.Unmarshal(text, &want)
		in := read(text)
		got, err := in.value()
		if err == nil {
			err = in.end()
		}
		if err != nil {
			return // it may refuse more: doubled names, what is no UTF-8
		}
		require.NoError(t, wantErr)
		require.Equal(t, want, got)
	})
}

// TestInputReads: nothing that a client of Kubernetes reads is refused without a reason.
func TestInputReads(t *testing.T) {
	t.Parallel()
	for text, reason := range map[string]string{
		`{"a": 1, "b": {"a": 1}}`:        "",
		` [1.5, -0, "\u00e9", null] `:    "",
		`{"a": 1, "a": 1}`:               "two members",
		`{"b": [{"a": 1, "\u0061": 2}]}`: "two members",
		"\"\xff\"":                       "UTF-8",
		`{"a": 1} {}`:                    "2 bytes after the end",
		`{"a": 1`:                        "EOF",
		``:                               "EOF",
	} {
		in := read([]byte(text))
		_, err := in.value()
		if err == nil {
			err = in.end()
		}
		if reason == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorContains(t, err, reason, text)
	}
}

// TestReviewAsWritten: a review is read as the type of Kubernetes reads it, whatever comes before,
// between and after what is needed.
func TestReviewAsWritten(t *testing.T) {
	t.Parallel()
	const review = `{"kind": "AdmissionReview", "x": [{"request": {}}], "apiVersion": "admission.k8s.io/v1", "request": {
		"name": "a", "options": {"uid": "no"}, "\u0075id": "u-1", "kind": {"kind": "Application"}, "dryRun": true, "operation": "UPDATE",
		"userInfo": {"username": "carol", "uid": "7", "groups": ["a", "b"], "extra": {"username": ["mallory"]}},
		"oldObject": {"spec": {"a": 1}}, "object": {"spec": {"a":   2}}, "requestKind": null}}`
	got, err := decodeReview([]byte(review))
	require.NoError(t, err)
	var want admissionv1.AdmissionReview
	require.NoError(t, json.Unmarshal([]byte(review), &want))
	require.Equal(t, &admissionv1.AdmissionRequest{
		UID: want.Request.UID, Operation: want.Request.Operation, UserInfo: want.Request.UserInfo, DryRun: want.Request.DryRun,
		Object: want.Request.Object, OldObject: want.Request.OldObject,
	}, got)
	require.EqualValues(t, "u-1", got.UID)
	for change, with := range map[string]string{
		`"admission.k8s.io/v1"`: `"admission.k8s.io/v2"`, `"AdmissionReview"`: `"Review"`, `"u-1"`: `""`, `"x": [`: `"request": [`,
		`"dryRun": true`: `"dryRun": "true"`, `"requestKind": null}}`: `"requestKind": null}} {}`, `"request": {` + "\n": `"Request": {` + "\n", `"carol"`: `{}`,
		`"requestKind": null`: `"\u006fbject": {}`,
	} {
		changed := strings.Replace(review, change, with, 1)
		require.NotEqual(t, review, changed)
		_, err := decodeReview([]byte(changed))
		require.ErrorIs(t, err, ErrNoReview, changed)
	}
	_, err = decodeReview([]byte(`null`))
	require.ErrorIs(t, err, ErrNoReview)
}

// TestApplicationDoubled: an Application that says something twice is not judged by either, where
// it is looked at.
func TestApplicationDoubled(t *testing.T) {
	t.Parallel()
	for text, refused := range map[string]bool{
		`{"spec": {"a": 1}, "sp\u0065c": {"a": 2}}`:                     true,
		`{"spec": {"a": [{"b": 1, "b": 2}]}}`:                           true,
		`{"metadata": {"name": "a"}, "metadata": {"name": "b"}}`:        true,
		`{"metadata": {"annotations": {"a": "1", "a": "2"}}}`:           true,
		`{"status": {"sync": {}, "sync": null}}`:                        true,
		`{"status": {"sync": null}, "status": {}}`:                      true,
		`{"status": {"resources": [{"a": 1, "a": 2}], "resources": 1}}`: false,
	} {
		_, err := decodeObject(runtime.RawExtension{Raw: []byte(text)}, &values{})
		if refused {
			require.ErrorContains(t, err, "two members", text)
		} else {
			require.NoError(t, err, text)
		}
	}
}
