package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control"
)

// changeFlags are the flags of a commit.
type changeFlags struct {
	files, remove []string
	message       string
}

func (f *changeFlags) on(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.files, "file", nil, "PATH=TEXT, or PATH=@FILE for the content of a local file")
	cmd.Flags().StringArrayVar(&f.remove, "delete", nil, "path to remove")
	cmd.Flags().StringVarP(&f.message, "message", "m", "", "of the commit")
}

// fill adds the commit to a request.
func (f *changeFlags) fill(in fields) error {
	files, err := readFiles(f.files)
	if err != nil {
		return err
	}
	in["files"], in["delete"], in["message"] = files, f.remove, f.message
	return nil
}

// readFiles reads PATH=TEXT and PATH=@FILE. A text gets the line end that files have.
func readFiles(list []string) (map[string]string, error) {
	files, err := pairs("--file", list)
	if err != nil {
		return nil, err
	}
	for path, value := range files {
		local, ok := strings.CutPrefix(value, "@")
		if !ok {
			files[path] = value + "\n"
			continue
		}
		text, err := os.ReadFile(local)
		if err != nil {
			return nil, fmt.Errorf("--file %s: %w", path, err)
		}
		files[path] = string(text)
	}
	return files, nil
}

func (c *cli) repoCommand() *cobra.Command {
	var files, collaborators []string
	var author, branch string
	var public bool
	add := verb("add OWNER/NAME", "Make a repository with one commit", "ghstandin repo add acme/env --file 'prod/values.yaml=replicas: 1' --collaborator bob=write", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		if _, err := repoPath(args[0]); err != nil {
			return err
		}
		owner, name, _ := strings.Cut(args[0], "/")
		in := fields{"owner": owner, "name": name, "public": public, "author": author, "default_branch": branch}
		var err error
		if in["files"], err = readFiles(files); err != nil {
			return err
		}
		if in["collaborators"], err = pairs("--collaborator", collaborators); err != nil {
			return err
		}
		var made standin.Repository
		if err := c.call(ctx, "POST", "repositories", in, &made); err != nil {
			return err
		}
		return c.show(cmd, made, func(w io.Writer) {
			line(w, fmt.Sprintf("made %s at %s; git clone %s", made.Name, short(made.Head), made.CloneURL))
		})
	})
	add.Flags().StringArrayVar(&files, "file", nil, "PATH=TEXT, or PATH=@FILE for the content of a local file")
	add.Flags().StringSliceVar(&collaborators, "collaborator", nil, "LOGIN=ROLE")
	add.Flags().StringVar(&author, "author", "", "login of the first commit's author; the owner when empty")
	add.Flags().StringVar(&branch, "default-branch", "main", "its name")
	add.Flags().BoolVar(&public, "public", false, "everybody may read it")
	list := verb("list", "List repositories", "", func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		var repos []standin.RepositoryState
		if err := c.call(ctx, "GET", "repositories", nil, &repos); err != nil {
			return err
		}
		return c.show(cmd, repos, func(w io.Writer) {
			line(w, "ID", "REPOSITORY", "BRANCH", "HEAD", "BRANCHES", "PULLS", "CLONE")
			for _, r := range repos {
				line(w, r.ID, r.Name, r.DefaultBranch, short(r.Head), len(r.Branches), len(r.Pulls), r.CloneURL)
			}
		})
	})
	return group("repo", "Repositories", add, list)
}

func (c *cli) branchCommand() *cobra.Command {
	var change changeFlags
	push := verb("push REPO BRANCH", "Commit straight to a branch, which is made when it does not exist", "ghstandin branch push acme/env main --file 'a=1' --as carol", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, err := repoPath(args[0])
		if err != nil {
			return err
		}
		in, err := c.acting(fields{"branch": args[1]})
		if err != nil {
			return err
		}
		if err := change.fill(in); err != nil {
			return err
		}
		var made control.NewCommit
		if err := c.call(ctx, "POST", path+"/push", in, &made); err != nil {
			return err
		}
		return c.say(cmd, "%s of %s is at %s", args[1], args[0], made.SHA)
	})
	change.on(push)
	set := verb("set REPO BRANCH SHA", "Push an existing commit to a branch, by force if need be", "ghstandin branch set acme/env main 1f3c… --as carol", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, err := repoPath(args[0])
		if err != nil {
			return err
		}
		return c.actOn(ctx, cmd, "PUT", path+"/branches/"+branchPath(args[1]), fields{"sha": args[2]}, args[1]+" of "+args[0]+" is at "+args[2])
	})
	remove := verb("rm REPO BRANCH", "Delete a branch", "ghstandin branch rm acme/env old --as carol", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, err := repoPath(args[0])
		if err != nil {
			return err
		}
		as, err := c.actor()
		if err != nil {
			return err
		}
		if err := c.call(ctx, "DELETE", path+"/branches/"+branchPath(args[1])+"?as="+url.QueryEscape(as), nil, nil); err != nil {
			return err
		}
		return c.say(cmd, "deleted %s of %s", args[1], args[0])
	})
	list := verb("list REPO", "List branches", "", func(ctx context.Context, cmd *cobra.Command, args []string) error {
		var repos []standin.RepositoryState
		if err := c.call(ctx, "GET", "repositories", nil, &repos); err != nil {
			return err
		}
		i := slices.IndexFunc(repos, func(r standin.RepositoryState) bool { return strings.EqualFold(r.Name, args[0]) })
		if i < 0 {
			return fmt.Errorf("no repository %q; ghstandin repo list shows them", args[0])
		}
		return c.show(cmd, repos[i].Branches, func(w io.Writer) {
			line(w, "BRANCH", "HEAD")
			for _, name := range sortedKeys(repos[i].Branches) {
				line(w, name, repos[i].Branches[name])
			}
		})
	})
	return group("branch", "Branches", push, set, remove, list)
}

// branchPath escapes a branch's name; its slashes stay.
func branchPath(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

func sortedKeys(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
