package command

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Bounds of what is read.
const (
	// MaxCommands is how many commands a comment may have.
	MaxCommands = 10
	// MaxBody is the longest comment, in bytes: GitHub takes 65,536 characters of at
	// most four.
	MaxBody = 4 * 65_536
	// MaxLine is the longest line of a command, in bytes.
	MaxLine = 2000
	// MaxReason is the longest reason, in bytes.
	MaxReason = 1000
	// maxNames bounds people and revisions.
	maxNames = 20
)

// Command is one line of a comment that is meant for Gatekeeper.
type Command struct {
	// Line is its number in the comment, from 1 on.
	Line int
	// Text is the line as it was written, without the space around it.
	Text string
	// Verb is empty, or was at least recognised, if there is a Mistake.
	Verb Verb
	// Application is NAME or NAMESPACE/NAME.
	Application string
	Gate        string
	Reason      string
	// For is how long; 0 if that was not said.
	For time.Duration
	// Revisions are commits, full or abbreviated.
	Revisions []string
	// Deployment is the number of a deployment; 0 if none was named.
	Deployment int
	// Order is the ID of an order.
	Order string
	// Logins and Teams are people.
	Logins []string
	Teams  []approval.TeamName
	// Spec is the whole digest of a spec, without the name of the algorithm.
	Spec string
	// From is an Application.
	From string
	// Mistake says for people what is wrong with the line; empty if nothing is.
	Mistake string
}

// May says whether a text may hold a command. It is quick, and says yes more often than
// Parse finds one.
func May(body string) bool {
	for line := range strings.FieldsFuncSeq(body, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if _, ok := addressed(strings.TrimLeft(line, " ")); ok {
			return true
		}
	}
	return false
}

// addressed takes the prefix off a line.
func addressed(line string) (rest string, ok bool) {
	for _, prefix := range []string{"/gatekeeper", "/gk"} {
		rest, found := strings.CutPrefix(line, prefix)
		if found && (rest == "" || rest[0] == ' ' || rest[0] == '\t') {
			return strings.Trim(rest, " \t"), true
		}
	}
	return "", false
}

// Parse finds the commands of a comment, in order. Too many of them give one that is a
// mistake.
func Parse(body string) []Command {
	if len(body) > MaxBody || !May(body) {
		return nil
	}
	body = strings.ReplaceAll(strings.ReplaceAll(body, "\r\n", "\n"), "\r", "\n")
	lines := strings.Split(body, "\n")
	var out []Command
	for i, shown := range visible(lines) {
		if !shown {
			continue
		}
		rest, ok := addressed(strings.TrimLeft(lines[i], " "))
		if !ok {
			continue
		}
		if len(out) == MaxCommands {
			return []Command{{Line: out[0].Line, Text: out[0].Text, Mistake: fmt.Sprintf(
				"the comment has more than %d commands, so none of them was carried out; write several comments", MaxCommands)}}
		}
		c := Command{Line: i + 1, Text: strings.Trim(lines[i], " \t")}
		c.read(rest)
		out = append(out, c)
	}
	return out
}

// read reads what comes after the prefix.
func (c *Command) read(rest string) {
	if len(c.Text) > MaxLine {
		c.Text = strings.ToValidUTF8(c.Text[:100], "") + "…"
		c.Mistake = fmt.Sprintf("the line is longer than %d bytes", MaxLine)
		return
	}
	if !utf8.ValidString(rest) || strings.ContainsFunc(rest, func(r rune) bool {
		return r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
	}) {
		c.Mistake = "the line has characters that cannot be seen; type it anew"
		return
	}
	word, rest, _ := strings.Cut(strings.ReplaceAll(rest, "\t", " "), " ")
	if word == "" {
		c.Verb = Help
		return
	}
	spec, ok := Lookup(Verb(strings.ToLower(word)))
	if !ok {
		c.Mistake = "there is no command " + strconv.Quote(word)
		if meant, found := Similar(word, verbNames()); found {
			c.Mistake += "; did you mean " + meant + "?"
		} else {
			c.Mistake += "; /gk help lists those that there are"
		}
		return
	}
	c.Verb = spec.Verb
	given, mistake := c.arguments(spec, rest)
	if missing := spec.needs &^ given; mistake == "" && missing != 0 {
		mistake = missingText(missing)
	}
	if mistake != "" {
		c.Mistake = mistake + "; write " + spec.Usage()
	}
}

func verbNames() []string {
	var names []string
	for _, s := range Verbs() {
		names = append(names, string(s.Verb))
	}
	return names
}

var (
	appForm   = regexp.MustCompile(`^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?/)?[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$`)
	gateForm  = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$`)
	loginForm = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9-]{0,37}[A-Za-z0-9])?(?:_[A-Za-z0-9]{1,20})?$`)
	// Without the sign, seven digits and more are a commit.
	numberForm = regexp.MustCompile(`^(?:#[1-9][0-9]{0,8}|[1-9][0-9]{0,5})$`)
	shaForm    = regexp.MustCompile(`^[0-9A-Fa-f]{7,64}$`)
	orderForm  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,79}$`)
	digestForm = regexp.MustCompile(`^(?:sha256:)?[0-9a-f]{64}$`)
)

// flags are the arguments with a name.
var flags = map[string]argument{
	"--gate": gate, "--app": application, "--reason": reason, "--for": length, "--revision": revisions, "--to": back, "--id": order, "--spec": digest, "--from": source,
}

// arguments reads what follows the verb, and says which kinds there were.
func (c *Command) arguments(spec Spec, rest string) (given argument, mistake string) {
	for rest = strings.TrimLeft(rest, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		var word, value string
		word, rest, _ = strings.Cut(rest, " ")
		kind := application
		switch {
		case strings.HasPrefix(word, "--"):
			name, after, joined := strings.Cut(word, "=")
			known, ok := flags[name]
			if !ok {
				mistake := "there is no option " + strconv.Quote(name)
				if meant, found := Similar(name, flagNames(spec)); found {
					mistake += ", did you mean " + meant + "?"
				}
				return given, mistake
			}
			kind = known
			if joined {
				rest = after + " " + rest
			}
			if kind == reason {
				if value, rest, mistake = freeText(rest); mistake != "" {
					return given, mistake
				}
			} else {
				value, rest, _ = strings.Cut(strings.TrimLeft(rest, " "), " ")
			}
		case strings.HasPrefix(word, "@"):
			kind, value = people, word
		default:
			value = word
		}
		if spec.takes&kind == 0 {
			return given, string(spec.Verb) + " takes no " + kind.String()
		}
		if given&kind&^(people|revisions) != 0 {
			return given, "there are two of " + kind.String()
		}
		given |= kind
		if mistake := c.set(kind, value); mistake != "" {
			return given, mistake
		}
	}
	return given, ""
}

func flagNames(spec Spec) []string {
	var names []string
	for name, kind := range flags {
		if spec.takes&kind != 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// freeText reads a quoted text, or all of the line. Inside of quotes there is no escape.
func freeText(rest string) (value, after, mistake string) {
	rest = strings.TrimSpace(rest)
	for _, quotes := range [][2]string{{`"`, `"`}, {"“", "”"}} { // phones write the second pair
		inner, quoted := strings.CutPrefix(rest, quotes[0])
		if !quoted {
			continue
		}
		value, after, closed := strings.Cut(inner, quotes[1])
		if !closed || after != "" && after[0] != ' ' {
			return "", "", "the quotes of the reason are not closed"
		}
		return strings.TrimSpace(value), after, ""
	}
	return rest, "", ""
}

// set checks a value and keeps it.
func (c *Command) set(kind argument, value string) (mistake string) {
	wrong := func(like string) string {
		return strconv.Quote(value) + " is no " + kind.String() + ", which looks like " + like
	}
	switch kind {
	case application, source:
		if !appForm.MatchString(value) {
			return wrong("argocd/shop-prod or shop-prod")
		}
		if kind == source {
			c.From = value
		} else {
			c.Application = value
		}
	case gate:
		if c.Gate = value; !gateForm.MatchString(value) {
			return wrong("prod")
		}
	case reason:
		switch c.Reason = value; {
		case value == "":
			return "the reason is missing"
		case len(value) > MaxReason:
			return fmt.Sprintf("the reason has more than %d bytes", MaxReason)
		}
	case length:
		d, err := time.ParseDuration(value)
		if c.For = d; err != nil || d <= 0 || d > 366*24*time.Hour {
			return wrong("30m or 2h")
		}
	case revisions, back:
		if kind == back && numberForm.MatchString(value) {
			// It fits: the form has nine digits at most.
			c.Deployment, _ = strconv.Atoi(strings.TrimPrefix(value, "#"))
			return ""
		}
		if !shaForm.MatchString(value) {
			return wrong("8f14e45fceea167a5a36dedd4bea2543b1b2c3d4")
		}
		if c.Revisions = append(c.Revisions, strings.ToLower(value)); len(c.Revisions) > maxNames {
			return fmt.Sprintf("there are more than %d commits", maxNames)
		}
	case order:
		if c.Order = value; !orderForm.MatchString(value) {
			return wrong("comment-7-1")
		}
	case digest:
		if c.Spec = strings.TrimPrefix(value, "sha256:"); !digestForm.MatchString(value) {
			return wrong("the one that /gk adopt shows, with all its 64 digits")
		}
	case people:
		return c.person(value)
	}
	return ""
}

func (c *Command) person(value string) (mistake string) {
	name := strings.TrimPrefix(strings.TrimSuffix(value, ","), "@")
	if strings.Contains(name, "/") {
		team, err := approval.ParseTeamName(name)
		if err != nil {
			return strconv.Quote(value) + " is no team, which looks like @acme/sre"
		}
		c.Teams = append(c.Teams, team)
	} else if !loginForm.MatchString(name) {
		return strconv.Quote(value) + " is no person, who looks like @alice"
	} else {
		c.Logins = append(c.Logins, name)
	}
	if len(c.Logins)+len(c.Teams) > maxNames {
		return fmt.Sprintf("there are more than %d people", maxNames)
	}
	return ""
}

func (a argument) String() string {
	names := []string{"Application", "gate", "reason", "length of time", "commit", "commit", "order", "person", "digest", "Application"}
	for i, name := range names {
		if a == 1<<i {
			return name
		}
	}
	return "argument"
}

func missingText(missing argument) string {
	var what []string
	for kind := application; kind <= source; kind <<= 1 {
		if missing&kind != 0 {
			what = append(what, kind.String())
		}
	}
	return strings.Join(what, " and ") + " missing"
}
