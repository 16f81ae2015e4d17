package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/command"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/conversation"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/report"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// errIgnored says that nothing is done and nothing is answered, because it was not asked
// for in a way that deserves one.
var errIgnored = errors.New("ignored")

// progress is how far a request is. It is saved after each step.
type progress struct {
	// Commands were found in the comment; Read says that it was looked at.
	Read     bool              `json:"read,omitempty"`
	Commands []command.Command `json:"commands,omitempty"`
	// Text is the digest of the comment, and Head and Base are those of the pull request
	// at receipt.
	Text string       `json:"text,omitempty"`
	Head approval.SHA `json:"head,omitempty"`
	Base string       `json:"base,omitempty"`
	Seen bool         `json:"seen,omitempty"`
	// Answers are those to the first commands.
	Answers []answer `json:"answers,omitempty"`
	// Replying is true once the reply may have been written, and Reply is its ID.
	Replying bool  `json:"replying,omitempty"`
	Reply    int64 `json:"reply,omitempty"`
}

// answer is what is said to one command, in Markdown.
type answer struct {
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

// work is one request that is being carried out.
type work struct {
	*Processor
	id         string
	received   time.Time
	asked      approval.Asked
	repository approval.RepositoryName
	progress   progress
	// hopeless is true when it has failed for too long.
	hopeless bool
	role     string
	// answered is true when only the reply is owed.
	answered bool
}

// since is when the person asked: when the comment was written, or when the press arrived
// first, because its event has no time.
func (w *work) since() time.Time {
	if w.asked.At.IsZero() {
		return w.received
	}
	return w.asked.At
}

func (w *work) save(ctx context.Context) error {
	text, err := json.Marshal(w.progress)
	if err != nil {
		return fmt.Errorf("keep how far %s is: %w", w.id, err)
	}
	return w.Store.SaveProgress(ctx, w.id, text)
}

// do goes on from where the request is.
func (w *work) do(ctx context.Context) error {
	var ok bool
	if w.repository, ok = w.Gates.Configured(w.asked.RepositoryID, w.asked.Repository); !ok {
		return fmt.Errorf("%w: no gate protects the repository", errIgnored)
	}
	if !w.progress.Read {
		if !w.hears(w.asked.Person.ID, w.id) {
			return fmt.Errorf("%w: the person asked for more than %d things in %s", errIgnored, mostHeard, hearing)
		}
		if err := w.receive(ctx); err != nil {
			return err
		}
	}
	if !w.progress.Seen && w.asked.Comment != 0 {
		w.react(ctx, conversation.Seen)
		w.progress.Seen = true
		if err := w.save(ctx); err != nil {
			return err
		}
	}
	for len(w.progress.Answers) < len(w.progress.Commands) {
		c := w.progress.Commands[len(w.progress.Answers)]
		a, err := w.carryOut(ctx, len(w.progress.Answers), c)
		if err != nil {
			return err
		}
		w.progress.Answers = append(w.progress.Answers, a)
		if err := w.save(ctx); err != nil {
			return err
		}
		w.Logger.LogAttrs(ctx, slog.LevelInfo, "command_answered", slog.String("request", w.id), slog.String("verb", string(c.Verb)),
			slog.Bool("done", a.OK), slog.String("repository", string(w.repository)), slog.Int("pull", w.asked.Pull), slog.String("person", w.asked.Person.Login))
	}
	if !w.answered {
		return w.Store.Answer(ctx, w.id) // the reply is a step of its own, for which nothing waits
	}
	if err := w.reply(ctx); err != nil {
		return err
	}
	reaction := conversation.Done
	if slices.ContainsFunc(w.progress.Answers, func(a answer) bool { return !a.OK }) {
		reaction = conversation.Refused
	}
	if w.asked.Comment != 0 {
		w.react(ctx, reaction)
	}
	return w.Store.Finish(ctx, w.id)
}

// react puts a reaction on the comment. It is a courtesy: one that fails or takes long
// keeps nothing from being done.
func (w *work) react(ctx context.Context, reaction string) {
	within, cancel := context.WithTimeout(ctx, courtesy)
	defer cancel()
	if err := w.Hub.React(within, w.repository, w.asked.Comment, reaction); err != nil && !errors.Is(err, approval.ErrNotFound) {
		w.Logger.LogAttrs(ctx, slog.LevelWarn, "reaction_failed", slog.String("request", w.id), slog.String("reaction", reaction), slog.Any("error", err))
	}
}

// receive reads what was asked for, and binds it to the pull request as it is.
func (w *work) receive(ctx context.Context) error {
	if w.asked.Installation != 0 {
		ours, err := w.Hub.Installation(ctx, w.repository)
		if err != nil {
			return err
		}
		if ours != w.asked.Installation {
			return fmt.Errorf("%w: the event came by installation %d, and %s is read by installation %d", errIgnored, w.asked.Installation, w.repository, ours)
		}
	}
	pull, err := w.Hub.Pull(ctx, w.repository, w.asked.Pull)
	if errors.Is(err, approval.ErrNotFound) {
		return fmt.Errorf("%w: there is no such pull request", errIgnored)
	}
	if err != nil {
		return err
	}
	if pull.RepositoryID != w.asked.RepositoryID {
		return fmt.Errorf("%w: the event is of repository %d, and %s is repository %d", errIgnored, w.asked.RepositoryID, w.repository, pull.RepositoryID)
	}
	w.progress.Head, w.progress.Base = pull.Head, pull.Base
	if w.asked.Comment == 0 {
		if w.progress.Commands, err = w.pressed(ctx); err != nil {
			return err
		}
		w.progress.Read = true
		return w.save(ctx)
	}
	c, err := w.comment(ctx)
	if err != nil {
		return err
	}
	edited := c.Edited() || approval.TextDigest(c.Body) != w.asked.Text
	if w.progress.Commands = command.Parse(c.Body); len(w.progress.Commands) == 0 && !edited {
		return fmt.Errorf("%w: it has no command", errIgnored)
	}
	if edited {
		w.progress.Commands = []command.Command{{Mistake: mistakeEdited}}
	}
	w.counts(w.asked.Person.ID, w.id, len(w.progress.Commands))
	w.progress.Read, w.progress.Text = true, approval.TextDigest(c.Body)
	return w.save(ctx)
}

const (
	mistakeEdited = "the comment was changed after it was written, and such comments are not carried out; write a new one"
	mistakeLate   = "the comment is more than a day old, and was not carried out; write a new one"
)

// comment reads the comment anew and finds out whose it is.
func (w *work) comment(ctx context.Context) (conversation.Comment, error) {
	c, err := w.Hub.Comment(ctx, w.repository, w.asked.Comment)
	switch {
	case errors.Is(err, approval.ErrNotFound):
		return c, fmt.Errorf("%w: the comment is gone", errIgnored)
	case err != nil:
		return c, err
	case c.Pull != w.asked.Pull:
		return c, fmt.Errorf("%w: the comment is on #%d", errIgnored, c.Pull)
	case c.Person.ID != w.asked.Person.ID || c.Person.Type != approval.UserTypePerson:
		return c, fmt.Errorf("%w: the comment is not of a person, or of another one than was told", errIgnored)
	case c.App != 0:
		return c, fmt.Errorf("%w: an App wrote the comment", errIgnored)
	case !c.At.Equal(w.asked.At):
		return c, fmt.Errorf("%w: the comment was written at another time than was told", errIgnored)
	}
	w.asked.Person = c.Person // the login of now
	return c, nil
}

// pressed is the command that a button stands for.
func (w *work) pressed(ctx context.Context) ([]command.Command, error) {
	verb, ok := command.OfButton(w.asked.Button)
	if !ok || w.asked.App != w.Hub.App() {
		return nil, fmt.Errorf("%w: it is no button of ours", errIgnored)
	}
	run, err := w.Hub.CheckRun(ctx, w.repository, w.asked.CheckRun)
	if errors.Is(err, approval.ErrNotFound) {
		return nil, fmt.Errorf("%w: there is no such check run", errIgnored)
	}
	if err != nil {
		return nil, err
	}
	gate, named := strings.CutPrefix(run.Name, "gatekeeper/")
	if !named || !run.Of(w.Hub.App(), w.asked.Pull) || run.Head != w.asked.Head {
		return nil, fmt.Errorf("%w: the check run is not ours, or not of this pull request", errIgnored)
	}
	c := command.Command{Verb: verb, Gate: gate, Text: "button " + w.asked.Button + " of " + run.Name}
	if verb == command.Hold || verb == command.Release {
		c.Reason = "pressed the button on #" + fmt.Sprint(w.asked.Pull)
	}
	return []command.Command{c}, nil
}

// carryOut gives the answer to one command. An error means that it is to be tried again.
func (w *work) carryOut(ctx context.Context, n int, c command.Command) (answer, error) {
	if c.Mistake != "" {
		return refuse(c.Mistake, ""), nil
	}
	origin := fmt.Sprintf("%s-%d", w.id, n+1)
	// Whatever happened since, an order that is on record was given.
	if told, ok, err := w.onRecord(ctx, origin); ok || err != nil {
		return told, err
	}
	if !harmlessLate(c.Verb) && w.Now().Sub(w.since()) > patience {
		return refuse("this was asked for more than ten minutes ago, and things may have changed since, so it was not carried out", "look at how it stands, and ask again if it is still right"), nil
	}
	a, err := w.try(ctx, origin, c)
	if refused, ok := errors.AsType[*console.Error](err); ok {
		return refuse(refused.Text, refused.Remedy), nil
	}
	if err != nil && w.hopeless {
		w.Logger.LogAttrs(ctx, slog.LevelError, "command_failed", slog.String("request", w.id), slog.String("verb", string(c.Verb)), slog.Any("error", err))
		return refuse("this could not be carried out, because something could not be read or written for several minutes", "the log of gatekeeper has the cause; ask again later"), nil
	}
	return a, err
}

// try makes sure that everything is still as it has to be, and acts.
func (w *work) try(ctx context.Context, origin string, c command.Command) (answer, error) {
	if w.Now().Sub(w.since()) > Latest {
		return refuse(mistakeLate, ""), nil
	}
	if w.asked.Comment != 0 {
		now, err := w.comment(ctx)
		if errors.Is(err, errIgnored) {
			return refuse("the comment is not there any more as it was, so this was not carried out", ""), nil
		}
		if err != nil {
			return answer{}, err
		}
		if now.Edited() || approval.TextDigest(now.Body) != w.progress.Text {
			return refuse(mistakeEdited, ""), nil
		}
	}
	role, err := w.Hub.Role(ctx, w.repository, w.asked.Person)
	if err != nil {
		return answer{}, err
	}
	w.role = role
	if need := leastRole(c.Verb); !atLeast(role, need) {
		return refuse(fmt.Sprintf("%s may not use %s: the role %s in the repository is needed, and theirs is %s", w.asked.Person.Login, c.Verb, need, role),
			"somebody with that role can"), nil
	}
	if told, refused, err := w.stale(ctx, c); refused || err != nil {
		return told, err
	}
	return w.act(ctx, origin, c)
}

// stale refuses a press that is of another state of the pull request than that of now. Its
// event has no time, and GitHub may deliver it long after it was lost: so the button must
// still be there, on the head that the pull request has.
func (w *work) stale(ctx context.Context, c command.Command) (told answer, refused bool, err error) {
	if w.asked.Comment != 0 || harmlessLate(c.Verb) {
		return answer{}, false, nil
	}
	const remedy = "look at the check run of the newest commit, and press again if it is still right"
	if w.asked.Head != w.progress.Head {
		return refuse("the button is on a commit that is not the head of the pull request any more", remedy), true, nil
	}
	r, _, err := w.look(ctx)
	if err != nil {
		return answer{}, false, err
	}
	if !slices.ContainsFunc(r.Gates, func(g approval.GateReport) bool { return g.Gate == c.Gate && report.Offers(g, w.asked.Button) }) {
		return refuse("gate "+c.Gate+" does not offer this button any more", remedy), true, nil
	}
	return answer{}, false, nil
}

// harmlessLate says whether nothing bad comes of it when something is done later than the
// person had in mind: it reads, it asks, it stops a sync, or it has a rule of its own.
func harmlessLate(v command.Verb) bool {
	switch v {
	case command.Release, command.Rollback, command.BreakGlass, command.Adopt, command.Promote, command.Sync:
		return false
	default:
		return true
	}
}

// leastRole is the role in the repository without which a verb is refused, whatever the
// gate's policy says.
func leastRole(v command.Verb) string {
	switch v {
	case command.Help, command.Status, command.Why, command.Diff:
		return "read"
	default:
		return "write"
	}
}

func atLeast(role, needed string) bool {
	roles := []string{"read", "triage", "write", "maintain", "admin"}
	have := slices.Index(roles, role)
	return have >= 0 && have >= slices.Index(roles, needed)
}

// unmoved reads the pull request once more and refuses if it is not any more what it was
// at receipt.
func (w *work) unmoved(ctx context.Context) (conversation.Pull, error) {
	pull, err := w.Hub.Pull(ctx, w.repository, w.asked.Pull)
	if err != nil {
		return pull, err
	}
	if pull.Head != w.progress.Head || pull.Base != w.progress.Base || pull.RepositoryID != w.asked.RepositoryID {
		return pull, &console.Error{
			Code: console.CodeChanged, Text: "the pull request was changed while this was being carried out, so it was not",
			Remedy: "look at it again and repeat the command",
		}
	}
	return pull, nil
}

func (w *work) person() history.Person {
	return history.Person{ID: w.asked.Person.ID, Name: w.asked.Person.Login, Via: history.ViaComment}
}
