package report

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/webhook"
)

// place is where a check run is written: a head, on behalf of a pull request.
type place struct {
	repository approval.RepositoryName
	pull       int
	head       approval.SHA
	// settled is true when nobody waits for the check run any more, so that one that
	// says nothing need not be made.
	settled bool
	// externalID leads back from the check run; empty for that of the pull request.
	externalID string
	// again says whether it is to be written although nothing is new.
	again rerun
}

// publishCheck writes the check run of a gate. A run that was completed is not opened
// again but followed by a new one, and so is one whose annotations are no longer true,
// because GitHub adds to those that are there ("Update a check run", GitHub docs). Of
// a name, GitHub shows the newest.
func (p *Publisher) publishCheck(ctx context.Context, client *github.Client, at place, gate string, run CheckRun) error {
	key := checkKey(gate, at.head)
	written := Written{Digest: run.digest()}
	last, ok, err := p.store.Written(ctx, at.repository, at.pull, key)
	switch {
	case err != nil:
		return fmt.Errorf("look up check run %s of #%d: %w", run.Name, at.pull, err)
	case ok && last.Digest == written.Digest && at.again == rerunNone, !ok && at.settled:
		return nil
	}
	was, notes := parts(last.Digest)
	anew := was == "completed" && run.Status != "completed" || notes != run.notesDigest() || at.again == rerunSuite
	if ok && !anew {
		written.ID = last.ID
		p.pace.wrote(pullKey(at.repository, at.pull), false)
		err = updateCheck(ctx, client, at, run, last.ID)
	}
	if !ok || anew || errors.Is(err, approval.ErrNotFound) {
		p.pace.wrote(pullKey(at.repository, at.pull), false)
		written.ID, err = createCheck(ctx, client, at, run)
	}
	if err != nil {
		return err
	}
	if err := p.store.SaveWritten(ctx, at.repository, at.pull, key, written); err != nil {
		return fmt.Errorf("remember check run %d of #%d: %w", written.ID, at.pull, err)
	}
	p.log.LogAttrs(ctx, slog.LevelInfo, "report.check_written", slog.String("repository", string(at.repository)),
		slog.Int("pull", at.pull), slog.String("gate", gate), slog.String("status", run.Status), slog.String("conclusion", run.Conclusion))
	return nil
}

// digest is "<status>:<annotations>:<everything>"; the middle is empty without any.
func (c CheckRun) digest() string {
	said := []string{c.Name, c.Status, c.Conclusion, c.Title, c.Summary, c.Text}
	for _, a := range c.Actions {
		said = append(said, a.Label, a.Description, a.Identifier)
	}
	return c.Status + ":" + c.notesDigest() + ":" + digest(said...)
}

func (c CheckRun) notesDigest() string {
	if len(c.Notes) == 0 {
		return ""
	}
	var said []string
	for _, n := range c.Notes {
		said = append(said, n.Path, strconv.Itoa(n.First), strconv.Itoa(n.Last), n.Title, n.Text)
	}
	return digest(said...)[:16]
}

func parts(digest string) (status, notes string) {
	status, rest, _ := strings.Cut(digest, ":")
	if notes, _, found := strings.Cut(rest, ":"); found {
		return status, notes
	}
	return status, "" // as it was before there were annotations
}

func createCheck(ctx context.Context, client *github.Client, at place, run CheckRun) (int64, error) {
	id := at.externalID
	if id == "" {
		id = webhook.ExternalID(at.pull)
	}
	output := &gh.CheckRunOutput{Title: new(run.Title), Summary: new(run.Summary), Text: new(run.Text)}
	for _, n := range run.Notes {
		output.Annotations = append(output.Annotations, &gh.CheckRunAnnotation{
			Path: new(n.Path), StartLine: new(n.First), EndLine: new(n.Last), AnnotationLevel: new("warning"),
			Title: new(clip(n.Title, titleLimit)), Message: new(n.Text),
		})
	}
	created, _, err := client.API().Checks.CreateCheckRun(ctx, at.repository.Owner(), at.repository.Name(), gh.CreateCheckRunOptions{
		Name: run.Name, HeadSHA: string(at.head), ExternalID: new(id),
		Status: new(run.Status), Conclusion: optional(run.Conclusion), Output: output, Actions: buttons(run),
	})
	if err == nil && created.GetID() <= 0 {
		err = errors.New("GitHub's answer has no ID")
	}
	return created.GetID(), github.Wrap(fmt.Sprintf("create check run %s of #%d", run.Name, at.pull), at.repository, err)
}

func updateCheck(ctx context.Context, client *github.Client, at place, run CheckRun, id int64) error {
	_, _, err := client.API().Checks.UpdateCheckRun(ctx, at.repository.Owner(), at.repository.Name(), id, gh.UpdateCheckRunOptions{
		Name: run.Name, Status: new(run.Status), Conclusion: optional(run.Conclusion), Actions: buttons(run),
		Output: &gh.CheckRunOutput{Title: new(run.Title), Summary: new(run.Summary), Text: new(run.Text)},
	})
	return github.Wrap(fmt.Sprintf("update check run %s of #%d", run.Name, at.pull), at.repository, err)
}

func buttons(run CheckRun) []*gh.CheckRunAction {
	var out []*gh.CheckRunAction
	for _, a := range run.Actions {
		out = append(out, &gh.CheckRunAction{Label: a.Label, Description: a.Description, Identifier: a.Identifier})
	}
	return out
}

// Reported says whether the gate's check run was ever written on the head.
func (p *Publisher) Reported(ctx context.Context, repository approval.RepositoryName, pull int, gate string, head approval.SHA) (bool, error) {
	_, ok, err := p.store.Written(ctx, repository, pull, checkKey(gate, head))
	if err != nil {
		return false, fmt.Errorf("look up the check run of #%d: %w", pull, err)
	}
	return ok, nil
}

// checkKey is the name under which the check run of a gate is remembered.
func checkKey(gate string, head approval.SHA) string {
	return "check/" + digest(gate)[:16] + "/" + string(head)
}
