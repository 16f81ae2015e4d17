package bypass

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

func TestExpects(t *testing.T) {
	refused := "waiting for 1 more of acme/sre"
	for _, test := range []struct {
		name     string
		attack   Attack
		version  sandbox.Version
		enforced bool
		want     expectation
	}{
		{"works while nothing is enforced", Attack{Works: both, Closed: byAdmission, Refused: refused}, sandbox.V2, false, expectation{lands: true, accepted: true}},
		{"is refused when it is", Attack{Works: both, Closed: byAdmission, Refused: refused}, sandbox.V2, true, expectation{refused: refused}},
		{"does not work on this version", Attack{Works: only3, Closed: byAdmission, Refused: refused}, sandbox.V2, false, expectation{}},
		{"has nothing to refuse on this version", Attack{Works: only3, Harmless: only2, Closed: byAdmission, Refused: refused}, sandbox.V2, true, expectation{}},
		{"is refused where it does not work either", Attack{Works: only3, Closed: byAdmission, Refused: refused}, sandbox.V2, true, expectation{refused: refused}},
		{"goes past admission", Attack{Works: both, Closed: byRights}, sandbox.V3, true, expectation{lands: true, accepted: true}},
		{"is closed by rights in both modes", Attack{Works: nowhere, Closed: byRights, Refused: refused}, sandbox.V3, false, expectation{refused: refused}},
		{"must go on working", Attack{Closed: notNeeded}, sandbox.V3, true, expectation{accepted: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, test.attack.expects(test.version, test.enforced))
		})
	}
}

func TestJudge(t *testing.T) {
	attack := Attack{Arrives: pushedLimit}
	lands, kept := outcome{landed: true, saw: "limit 9999"}, outcome{saw: "limit 1000"}
	for _, test := range []struct {
		name string
		want expectation
		got  outcome
		err  string
	}{
		{"landed as it should", expectation{lands: true, accepted: true}, lands, ""},
		{"landed and should not", expectation{}, lands, "what nobody approved is live: limit 9999"},
		{"landed in spite of a refusal", expectation{refused: "no"}, outcome{refusal: "no", landed: true, saw: "limit 9999"}, "what nobody approved is live"},
		{"landed beside what must go on working", expectation{accepted: true}, lands, "what nobody approved is live"},
		{"did not land", expectation{lands: true, accepted: true}, kept, "it did not work"},
		{"something else landed", expectation{lands: true, accepted: true}, outcome{landed: true, saw: "limit 1"}, "it did not work"},
		{"refused and should work", expectation{lands: true, accepted: true}, outcome{refusal: "no", saw: "limit 1000"}, "it was refused: no"},
		{"refused and must go on working", expectation{accepted: true}, outcome{refusal: "no"}, "it was refused: no"},
		{"refused as it should be", expectation{refused: "waiting for"}, outcome{refusal: "denied: waiting for 1 more"}, ""},
		{"refused with one of two lines", expectation{refused: "not known" + or + "waiting for"}, outcome{refusal: "denied: waiting for 1 more"}, ""},
		{"refused for another reason", expectation{refused: "waiting for"}, outcome{refusal: "no such host"}, "the refusal is"},
		{"without effect", expectation{}, kept, ""},
		{"without effect and without the refusal", expectation{refused: "waiting for"}, kept, "the refusal is"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := attack.judge(test.want, test.got)
			if test.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.err)
		})
	}
}

// TestAttacksAreComplete holds every attack to what playing it needs.
func TestAttacksAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range attacks() {
		name := a.Row + " " + a.Name
		require.False(t, seen[name], "%s is there twice", name)
		seen[name] = true
		require.NotNil(t, a.Attack, name)
		require.True(t, a.Shape.path != "" || a.Shape.multi, "%s has no victim", name)
		require.NotEmpty(t, a.Closed, name)
		require.Equal(t, len(a.Works) > 0, a.Arrives != "", "%s: what arrives when it works", name)
		if a.Closed == byAdmission || len(a.Works) == 0 && a.Closed == byRights {
			require.NotEmpty(t, a.Refused, "%s: the refusal proves that it is closed", name)
		}
	}
}

var update = flag.Bool("update", false, "write the table of README.md anew")

const tableBegin, tableEnd = "<!-- attacks: written by go test ./test/e2e/bypass -run TestReadme -update -->\n", "<!-- end of attacks -->\n"

// TestReadme holds the table of README.md to the attacks, and the README to every row
// of the catalogue.
func TestReadme(t *testing.T) {
	content, err := os.ReadFile("README.md")
	require.NoError(t, err)
	text := string(content)
	begin, end := strings.Index(text, tableBegin), strings.Index(text, tableEnd)
	require.True(t, begin >= 0 && begin < end, "README.md has no place for the table")
	want := text[:begin] + tableBegin + table() + text[end:]
	if *update && want != text {
		require.NoError(t, os.WriteFile("README.md", []byte(want), 0o644))
		text = want
	}
	require.Equal(t, want, text, "README.md is out of step; see the comment above its table")
	for _, row := range catalogue() {
		require.Contains(t, text, "\n| "+row+" |", "row %s", row)
		played := slices.ContainsFunc(attacks(), func(a Attack) bool { return a.Row == row })
		require.Equal(t, !played, slices.Contains(notPlayed(), row), "row %s is played, or there is a reason", row)
	}
}

// catalogue are the rows of the bypass catalogue.
func catalogue() []string {
	rows := []string{"B1", "B2", "B3", "B4", "B5"}
	for n := 6; n <= 30; n++ {
		rows = append(rows, strconv.Itoa(n))
	}
	return rows
}

// notPlayed are the rows that README.md gives a reason for.
func notPlayed() []string { return []string{"26", "27"} }

// table is one line for each attack.
func table() string {
	var out strings.Builder
	out.WriteString("| row | attack | open, 3.2.11 | open, 2.14.21 | gated | closed by |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, a := range attacks() {
		result := func(v sandbox.Version) string {
			switch want := a.expects(v, false); {
			case a.Closed == notNeeded:
				return "allowed"
			case want.lands:
				return "**works**"
			case want.refused != "":
				return "refused"
			default:
				return "no effect"
			}
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s | %s |\n", a.Row, a.Name, result(sandbox.V3), result(sandbox.V2), gatedResult(a), a.Closed)
	}
	return out.String()
}

// gatedResult is what becomes of an attack when the gate is enforced.
func gatedResult(a Attack) string {
	result := func(v sandbox.Version) string {
		switch want := a.expects(v, true); {
		case a.Closed == notNeeded:
			return "allowed"
		case want.lands:
			return "**works**"
		case want.refused != "":
			return "refused: " + strings.ReplaceAll(want.refused, or, ", or: ")
		default:
			return "no effect"
		}
	}
	if result(sandbox.V3) == result(sandbox.V2) {
		return result(sandbox.V3)
	}
	return result(sandbox.V3) + "; on 2.14.21: " + result(sandbox.V2)
}

// TestForgeEntry checks the forged hash against the way that Argo CD calculates it.
func TestForgeEntry(t *testing.T) {
	entry := `{"cacheEntryHash":"old=","manifestResponse":{"manifests":["{\"data\":{\"transfer\":\"1000\"}}"],"revision":"abc"},"mostRecentError":""}`
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, err := io.WriteString(writer, entry+"\n")
	require.NoError(t, err)
	require.NoError(t, writer.Close())

	forged, err := forgeEntry(packed.Bytes())
	require.NoError(t, err)
	reader, err := gzip.NewReader(bytes.NewReader(forged))
	require.NoError(t, err)
	content, err := io.ReadAll(reader)
	require.NoError(t, err)
	var fields struct {
		CacheEntryHash   string
		ManifestResponse struct{ Manifests []string }
	}
	require.NoError(t, json.Unmarshal(content, &fields))
	require.Equal(t, []string{`{"data":{"transfer":"7777"}}`}, fields.ManifestResponse.Manifests)
	sum := fnv.New64a()
	_, _ = io.WriteString(sum, strings.Replace(string(content), fields.CacheEntryHash, "", 1))
	require.Equal(t, base64.URLEncoding.EncodeToString(sum.Sum(nil)), fields.CacheEntryHash)

	_, err = forgeEntry([]byte("not packed"))
	require.ErrorContains(t, err, "unpack an entry")
}

func TestSelected(t *testing.T) {
	t.Setenv("GATEKEEPER_BYPASS", "^B5")
	got := selected(t)
	require.NotEmpty(t, got)
	for _, a := range got {
		require.Equal(t, "B5", a.Row)
	}
	t.Setenv("GATEKEEPER_BYPASS", "")
	require.Len(t, selected(t), len(attacks()))
}
