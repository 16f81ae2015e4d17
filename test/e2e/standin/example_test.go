package standin_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// The example of README.md.
func Example() {
	if err := example(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: alice's #1 is closed, merged by bob
}

func example(ctx context.Context) (err error) {
	s, err := standin.Start(ctx, standin.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, login := range []string{"alice", "bob"} {
		if _, err := s.CreateUser(login, "", login+"@example.com"); err != nil {
			return err
		}
	}
	if _, err := s.CreateOrganization("acme"); err != nil {
		return err
	}
	if _, err := s.CreateTeam("acme", "sre", "bob"); err != nil {
		return err
	}
	if _, err := s.CreateRepository("acme", "env", standin.RepositoryOptions{
		Files:         map[string]string{"prod/values.yaml": "replicas: 1\n"},
		Collaborators: map[string]string{"alice": "write", "bob": "write"},
	}); err != nil {
		return err
	}
	app, err := s.CreateApp(standin.AppOptions{Slug: "gatekeeper", Owner: "acme",
		Permissions: map[string]string{"pull_requests": "write", "checks": "write", "contents": "read", "issues": "read", "members": "read"},
		Events:      []string{"pull_request", "pull_request_review", "push", "issue_comment"}})
	if err != nil {
		return err
	}
	if _, err := s.Install(app.ID, "acme", "env"); err != nil {
		return err
	}
	opened, err := s.As("alice").OpenPull("acme/env", standin.PullOptions{Title: "Scale up",
		Change: standin.Change{Files: map[string]string{"prod/values.yaml": "replicas: 2\n"}}})
	if err != nil {
		return err
	}
	if _, err := s.As("bob").Review("acme/env", opened.Number, "APPROVE", ""); err != nil {
		return err
	}
	if _, err := s.As("bob").Merge("acme/env", opened.Number, "squash"); err != nil {
		return err
	}
	pull, err := s.Pull("acme/env", opened.Number)
	if err != nil {
		return err
	}
	fmt.Printf("%s's #%d is %s, merged by %s\n", pull.Author, pull.Number, pull.State, pull.MergedBy)
	return nil
}
