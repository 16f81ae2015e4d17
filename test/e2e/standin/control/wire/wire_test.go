package wire_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control/wire"
)

type inner struct {
	Files map[string]string
	Sign  func()
}

type person struct{ Name, Email string }

type sample struct {
	Owner string `path:"owner"`
	As    string `wire:"required" doc:"who acts"`
	inner
	MergeCommitSHA string
	AppID          int64
	Wait           time.Duration
	At             time.Time
	On             *bool
	Author         *person
	People         []person
	Key            []byte
	Raw            json.RawMessage
	hidden         int
}

func TestKeys(t *testing.T) {
	for name, key := range map[string]string{"ID": "id", "MergeCommitSHA": "merge_commit_sha", "AppID": "app_id", "PrivateKeyPEM": "private_key_pem",
		"WebhookURL": "webhook_url", "GUID": "guid", "CloneURL": "clone_url", "As": "as", "SHAOfHead": "sha_of_head"} {
		require.Equal(t, key, wire.Key(name))
	}
}

func TestRoundTrip(t *testing.T) {
	on := true
	in := sample{Owner: "stays out", As: "bob", inner: inner{Files: map[string]string{"b": "<2>", "a": "1"}}, MergeCommitSHA: "abc", AppID: 101,
		Wait: 1500 * time.Millisecond, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), On: &on, Author: &person{Name: "Bob"},
		People: []person{{Name: "Al", Email: "a@x"}}, Key: []byte("PEM"), Raw: json.RawMessage(`{"x":[1]}`), hidden: 3}
	text, err := wire.Marshal(in)
	require.NoError(t, err)
	want := `{
  "as": "bob",
  "files": {
    "a": "1",
    "b": "<2>"
  },
  "merge_commit_sha": "abc",
  "app_id": 101,
  "wait": "1.5s",
  "at": "2026-01-02T03:04:05Z",
  "on": true,
  "author": {
    "name": "Bob",
    "email": ""
  },
  "people": [
    {
      "name": "Al",
      "email": "a@x"
    }
  ],
  "key": "PEM",
  "raw": {
    "x": [
      1
    ]
  }
}
`
	require.Equal(t, strings.Split(want, "\n"), strings.Split(string(text), "\n"), "order and indentation are part of it")
	var out sample
	require.NoError(t, wire.Unmarshal(text, &out))
	require.JSONEq(t, string(in.Raw), string(out.Raw))
	in.Owner, in.hidden, in.Raw, out.Raw = "", 0, nil, nil
	require.Equal(t, in, out)
}

func TestEmptyListsAndMapsAreNotNull(t *testing.T) {
	text, err := wire.Marshal(struct {
		List []person
		Map  map[string]int
		None *person
		At   time.Time
	}{})
	require.NoError(t, err)
	require.JSONEq(t, `{"list":[],"map":{},"none":null,"at":null}`, string(text))
	_, err = wire.Marshal(map[int]string{1: "x"})
	require.ErrorContains(t, err, "does not travel")
	_, err = wire.Marshal(struct{ C chan int }{})
	require.ErrorContains(t, err, "does not travel")
}

func TestStrictReading(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"unknown":       {`{"as":"x","titel":1}`, "titel: unknown key; the keys here are: as, files, merge_commit_sha"},
		"unknown deep":  {`{"as":"x","people":[{},{"nam":""}]}`, "people[1].nam: unknown key; the keys here are: name, email"},
		"path field":    {`{"as":"x","owner":"acme"}`, "owner: unknown key"},
		"function":      {`{"as":"x","sign":null}`, "sign: unknown key"},
		"upper case":    {`{"AS":"x"}`, "AS: unknown key"},
		"twice":         {`{"as":"x","as":"y"}`, "as: the key appears twice"},
		"twice in map":  {`{"as":"x","files":{"a":"1","a":"2"}}`, "files.a: the key appears twice"},
		"missing":       {`{}`, "as: is needed: who acts"},
		"number":        {`{"as":7}`, "as: the number 7 where text is needed: put it in quotes"},
		"text":          {`{"as":"x","app_id":"7"}`, `app_id: the text "7" where number is needed`},
		"fraction":      {`{"as":"x","app_id":1.5}`, "app_id: 1.5 is not a whole number"},
		"too large":     {`{"as":"x","app_id":99999999999999999999}`, "is not a whole number, or too large"},
		"duration":      {`{"as":"x","wait":"soon"}`, `wait: "soon" is not a duration`},
		"bare duration": {`{"as":"x","wait":5}`, "write it with a unit"},
		"time":          {`{"as":"x","at":"today"}`, `at: "today" is not a time`},
		"null":          {`{"as":null}`, "as: null where text is needed"},
		"list":          {`{"as":[]}`, "as: a list where text is needed"},
		"object":        {`{"as":{}}`, "as: an object where text is needed"},
		"truth":         {`{"as":true}`, "as: true where text is needed"},
		"not an object": {`[]`, "a list where object is needed"},
		"bytes list":    {`{"as":"x","key":[1]}`, "key: a list where text is needed"},
		"trailing":      {`{"as":"x"} {}`, "something follows the value"},
		"cut":           {`{"as":"x"`, "the JSON ends too early"},
		"empty":         {``, "the JSON ends too early"},
		"not JSON":      {`{as:1}`, "not JSON"},
		"not UTF-8":     {"{\"as\":\"\xff\"}", "not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			var out sample
			err := wire.Unmarshal([]byte(c.in), &out)
			require.ErrorContains(t, err, c.want)
			var e *wire.Error
			require.ErrorAs(t, err, &e)
		})
	}
}

func TestDepthIsBounded(t *testing.T) {
	type node struct{ Next *node }
	deep := ""
	for range 100 {
		deep += `{"next":`
	}
	var out node
	require.ErrorContains(t, wire.Unmarshal([]byte(deep), &out), "nested deeper than 32")
}

func TestOpenReadingSkipsWhatIsNew(t *testing.T) {
	var out sample
	require.NoError(t, wire.UnmarshalOpen([]byte(`{"new":{"a":[1]},"app_id":3,"people":null}`), &out))
	require.Equal(t, int64(3), out.AppID)
}

func TestInnerKeyIsHidden(t *testing.T) {
	type base struct{ Name string }
	type outer struct {
		base
		Name string `doc:"outer"`
	}
	text, err := wire.Marshal(outer{base{"in"}, "out"})
	require.NoError(t, err)
	require.JSONEq(t, `{"name":"out"}`, string(text))
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"as":"x","files":{"a":"1"},"wait":"1s","people":[{"name":"n"}],"raw":[1]}`))
	f.Add([]byte(`{"as":"x","at":"2026-01-02T03:04:05Z","author":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second sample
		if wire.Unmarshal(data, &first) != nil {
			return
		}
		text, err := wire.Marshal(first)
		require.NoError(t, err)
		require.NoError(t, wire.Unmarshal(text, &second), "what was read is written so that it can be read")
		again, err := wire.Marshal(second)
		require.NoError(t, err)
		require.Equal(t, string(text), string(again))
	})
}
