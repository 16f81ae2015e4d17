package install

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// page is what is tested.
const page = "../../../docs/install.md"

// block is one fenced block of the page.
type block struct {
	line     int // of its first line in the page
	language string
	text     string
}

// blocks are those of a page, in order. A fence that is not closed is an error.
func blocks(text string) ([]block, error) {
	var out []block
	var open *block
	for i, line := range strings.Split(text, "\n") {
		language, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && open == nil:
			open = &block{line: i + 2, language: language}
		case fence:
			out, open = append(out, *open), nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	if open != nil {
		return nil, fmt.Errorf("the block of line %d has no end", open.line)
	}
	return out, nil
}

// comment is what a shell takes for one at the end of a command.
var comment = regexp.MustCompile(`\s+#\s.*$`)

// goesOn is the end of a line that the next one goes on with.
var goesOn = regexp.MustCompile(`\s*\\\n\s*`)

// commands are those of a block: one in each line, and those that go on after a backslash.
func (b block) commands() []string {
	var out []string
	for line := range strings.SplitSeq(goesOn.ReplaceAllString(b.text, " "), "\n") {
		line = strings.TrimSpace(comment.ReplaceAllString(" "+line, ""))
		if line != "" {
			out = append(out, line)
		}
	}
	return out
}

// valuesTitle begins the block that is a file and no commands.
const valuesTitle = "# values.yaml\n"

// commandsOf are the commands of the whole page, and the values that it shows. Whatever is
// neither is an error, so that nothing on the page is passed over.
func commandsOf(text string) (all []string, values string, err error) {
	found, err := blocks(text)
	if err != nil {
		return nil, "", err
	}
	for _, b := range found {
		switch {
		case b.language == "yaml" && strings.HasPrefix(b.text, valuesTitle) && values == "":
			values = b.text
			all = append(all, writeValues)
		case b.language == "", b.language == "sh":
			all = append(all, b.commands()...)
		default:
			return nil, "", fmt.Errorf("the block of line %d is neither commands nor the values", b.line)
		}
	}
	return all, values, nil
}

func readPage(t *testing.T) (all []string, values string) {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	all, values, err = commandsOf(string(text))
	require.NoError(t, err)
	require.NotEmpty(t, values)
	return all, values
}

// TestNothingIsPassedOver: each command of the page is one that the story runs, or is in the
// table of what cannot be run here; and the table has nothing that is not on the page.
func TestNothingIsPassedOver(t *testing.T) {
	all, _ := readPage(t)
	seen := map[string]int{}
	for _, c := range all {
		seen[c]++
		program, _, _ := strings.Cut(c, " ")
		_, named := standIns()[c]
		require.True(t, named || c == writeValues || runnable()[program], "line %q is neither run nor named in the table", c)
	}
	for c, s := range standIns() {
		require.Equal(t, 1, seen[c], "it is not on the page, or more than once: %s", c)
		require.NotEmpty(t, s.because, c)
	}
	for _, h := range hooks() {
		require.Equal(t, 1, seen[h.after], "it is not on the page, or more than once: %s", h.after)
	}
}

func TestCommandsOf(t *testing.T) {
	all, values, err := commandsOf("# A\n\n```\na b \\\n  c   # why\n# nothing\n\nd 'e#f'\n```\n\n```yaml\n# values.yaml\nx: 1\n```\n```sh\ng\n```\n")
	require.NoError(t, err)
	require.Equal(t, []string{"a b c", "d 'e#f'", writeValues, "g"}, all)
	require.Equal(t, "# values.yaml\nx: 1\n", values)
	_, _, err = commandsOf("```yaml\nx: 1\n```\n")
	require.ErrorContains(t, err, "line 2 is neither")
	_, _, err = commandsOf("```\na\n")
	require.ErrorContains(t, err, "has no end")
}
