package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
)

// historyCommands read what was deployed, from the record alone, so that they work while
// gatekeeper serves and when it does not; and what waits, which the running process knows.
func historyCommands() []*cobra.Command {
	return []*cobra.Command{historyCommand(), showCommand(), compareCommand(), pendingCommand()}
}

// historyOptions are what they have in common.
type historyOptions struct {
	file, uid, output string
	archives          []string
}

func (o *historyOptions) flags(c *cobra.Command) {
	o.reading(c)
	c.Flags().StringVar(&o.uid, "uid", "", "UID of an Application of that name (default the one that was deployed last)")
	archiveFlag(c, &o.archives)
}

// reading adds the flags of a command that is not about one Application.
func (o *historyOptions) reading(c *cobra.Command) {
	c.Flags().StringVar(&o.file, "config", "", "configuration file (required)")
	c.Flags().StringVarP(&o.output, "output", "o", "table", "table, json or yaml")
}

// check says what is wrong with the flags that reading adds.
func (o *historyOptions) check() error {
	switch {
	case o.file == "":
		return fmt.Errorf("--config is missing; name the configuration file, or set GATEKEEPER_CONFIG: %w", errUsage)
	case o.output != "table" && o.output != "json" && o.output != "yaml":
		return fmt.Errorf("--output %q is not table, json or yaml: %w", o.output, errUsage)
	}
	return nil
}

// run reads the record and finds the Application.
func (o *historyOptions) run(c *cobra.Command, application string, use func(ctx context.Context, w io.Writer, m *deployments.Model, uid string) error) error {
	if err := o.check(); err != nil {
		return err
	}
	if !strings.Contains(application, "/") {
		return fmt.Errorf("name one Application as NAMESPACE/NAME, for example argocd/payments: %w", errUsage)
	}
	cfg, err := config.LoadForRecord(o.file, config.RecordSecrets{Checkpoints: len(o.archives) > 0})
	if err != nil {
		return err
	}
	return withArchives(c.Context(), cfg, o.archives, func(r history.Reader) error {
		m := deployments.New(r)
		uid := o.uid
		if uid == "" {
			if uid, err = m.UID(c.Context(), application); errors.Is(err, deployments.ErrNotFound) {
				err = fmt.Errorf("%w; gatekeeper explain %s tells what was decided", err, application)
			}
			if err != nil {
				return err
			}
		}
		return use(c.Context(), c.OutOrStdout(), m, uid)
	})
}

// print writes an answer as it was asked for.
func (o *historyOptions) print(w io.Writer, answer any, table string) error {
	switch o.output {
	case "json":
		return printJSON(w, answer)
	case "yaml":
		out, err := yaml.Marshal(answer)
		if err != nil {
			return fmt.Errorf("print the answer: %w", err)
		}
		table = string(out)
	}
	if _, err := io.WriteString(w, table); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	return nil
}

// deploymentNumber reads "12" or "#12".
func deploymentNumber(text string) (int, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(text, "#"))
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is no number of a deployment, such as 12: %w", text, errUsage)
	}
	return n, nil
}

func historyCommand() *cobra.Command {
	var o historyOptions
	var limit, before int
	var all bool
	c := &cobra.Command{
		Use:   "history NAMESPACE/NAME --config FILE",
		Short: "List the deployments of an Application",
		Long: `List the deployments of an Application, the newest first: what was synced, who synced and
approved it, and how the Application fared. Syncs that the gate was not asked about are
there as well, also those that were made while gatekeeper did not run.

The numbers never change. They are what show, compare and rollback --to take.`,
		Example: `  gatekeeper history argocd/payments --config gatekeeper.yaml
  gatekeeper history argocd/payments --config gatekeeper.yaml --all -o json`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("name one Application as NAMESPACE/NAME, for example argocd/payments: %w", errUsage)
			}
			if limit < 1 || before < 0 {
				return fmt.Errorf("--limit and --before are numbers from 1 on: %w", errUsage)
			}
			return o.run(c, args[0], func(ctx context.Context, w io.Writer, m *deployments.Model, uid string) error {
				page, err := pages(ctx, m, uid, before, limit, all)
				if err != nil {
					return err
				}
				return o.print(w, page, describeHistory(page, args[0]))
			})
		},
	}
	o.flags(c)
	c.Flags().IntVar(&limit, "limit", 20, "how many to list")
	c.Flags().IntVar(&before, "before", 0, "list those before this number")
	c.Flags().BoolVar(&all, "all", false, "list all of them")
	return c
}

// pages reads as many pages as are asked for.
func pages(ctx context.Context, m *deployments.Model, uid string, before, limit int, all bool) (deployments.Page, error) {
	out := deployments.Page{Deployments: []deployments.Deployment{}}
	if before == 1 {
		return out, nil
	}
	for from := max(0, before-1); ; from = out.Next {
		size := deployments.PageMost
		if !all {
			size = min(size, limit-len(out.Deployments))
		}
		page, err := m.List(ctx, uid, from, size)
		if err != nil {
			return deployments.Page{}, err
		}
		out.Total, out.Next = page.Total, page.Next
		out.Deployments = append(out.Deployments, page.Deployments...)
		if out.Next == 0 || (!all && len(out.Deployments) >= limit) {
			return out, nil
		}
	}
}

func showCommand() *cobra.Command {
	var o historyOptions
	c := &cobra.Command{
		Use:   "show NAMESPACE/NAME [NUMBER] --config FILE",
		Short: "Show one deployment of an Application with all that is known of it",
		Long: `Show one deployment of an Application: who asked, who approved configuration and images,
who synced, the pull requests and images that it brought, the time that each part took,
and how the Application fared afterwards. The numbers are those of gatekeeper history;
without one it is the newest.`,
		Example: `  gatekeeper show argocd/payments --config gatekeeper.yaml
  gatekeeper show argocd/payments 12 --config gatekeeper.yaml`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) != 1 && len(args) != 2 {
				return fmt.Errorf("name one Application as NAMESPACE/NAME, and the number of a deployment if it is not the newest: %w", errUsage)
			}
			n := 0
			if len(args) == 2 {
				var err error
				if n, err = deploymentNumber(args[1]); err != nil {
					return err
				}
			}
			return o.run(c, args[0], func(ctx context.Context, w io.Writer, m *deployments.Model, uid string) error {
				if n == 0 {
					page, err := m.List(ctx, uid, 0, 1)
					if err != nil {
						return err
					}
					n = page.Total
				}
				d, err := m.Get(ctx, uid, n)
				if errors.Is(err, deployments.ErrNotFound) {
					err = fmt.Errorf("%w; gatekeeper history %s lists them", err, args[0])
				}
				if err != nil {
					return err
				}
				return o.print(w, shownDeployment{d, segmentsOf(d)}, describeDeployment(d))
			})
		},
	}
	o.flags(c)
	return c
}

// shownDeployment is a deployment with the time that each part of each pull request took,
// in seconds.
type shownDeployment struct {
	deployments.Deployment
	Took []pullSegments `json:"took,omitempty"`
}

type pullSegments struct {
	Pull     int            `json:"pull"`
	Segments []tookSegments `json:"segments"`
}

type tookSegments struct {
	Name string `json:"name"`
	// Seconds is null when an end is not known.
	Seconds *float64 `json:"seconds"`
}

func segmentsOf(d deployments.Deployment) []pullSegments {
	var out []pullSegments
	for _, p := range d.Pulls {
		one := pullSegments{Pull: p.Number}
		for _, s := range d.Segments(p) {
			segment := tookSegments{Name: s.Name}
			if s.Took != nil {
				segment.Seconds = new(s.Took.Seconds())
			}
			one.Segments = append(one.Segments, segment)
		}
		out = append(out, one)
	}
	return out
}

// comparedDeployments is a comparison with what Argo CD renders differently, if that was
// asked for.
type comparedDeployments struct {
	deployments.Comparison
	Manifests *approval.Preview `json:"manifests,omitempty"`
	// Files are those that it is rendered from, as they are in Git, if that was asked for.
	Files *comparedFiles `json:"files,omitempty"`
}

func compareCommand() *cobra.Command {
	var o historyOptions
	var manifests, files bool
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "compare NAMESPACE/NAME NUMBER NUMBER --config FILE",
		Short: "Compare two deployments of an Application",
		Long: `Compare two deployments of an Application: revisions, images, the pull requests that one
has and the other has not, and the people who had a part in them. What was brought and
taken back in between is not listed.

With --manifests, Argo CD renders both revisions with the spec that the Application has
now, and what differs is shown resource by resource. Values of secrets are masked.

With --files, the files that the Application is rendered from are compared as they are in
Git, out of gatekeeper's own mirror; nothing is masked there.`,
		Example: `  gatekeeper compare argocd/payments 11 12 --config gatekeeper.yaml
  gatekeeper compare argocd/payments 11 12 --files --config gatekeeper.yaml
  gatekeeper compare argocd/payments 11 12 --manifests --config gatekeeper.yaml`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) != 3 {
				return fmt.Errorf("name one Application as NAMESPACE/NAME, and the numbers of two deployments: %w", errUsage)
			}
			from, err := deploymentNumber(args[1])
			if err != nil {
				return err
			}
			to, err := deploymentNumber(args[2])
			if err != nil {
				return err
			}
			return o.run(c, args[0], func(ctx context.Context, w io.Writer, m *deployments.Model, uid string) error {
				between, err := m.Compare(ctx, uid, from, to)
				if err != nil {
					return err
				}
				compared, text := comparedDeployments{Comparison: between}, describeComparison(between)
				if files {
					ctx, cancel := context.WithTimeout(ctx, timeout)
					defer cancel()
					differ, err := compareFiles(ctx, o.file, m, between)
					if err != nil {
						return err
					}
					compared.Files, text = &differ, text+"\n"+differ.describe(o.output == "table" && colourful(w, os.Getenv))
				}
				if manifests {
					ctx, cancel := context.WithTimeout(ctx, timeout)
					defer cancel()
					asked := diffOptions{application: args[0], file: o.file, from: fullRevisions(between.From), to: fullRevisions(between.To)}
					p, err := asked.compare(ctx, c.ErrOrStderr())
					if err != nil {
						return fmt.Errorf("compare what Argo CD renders: %w", err)
					}
					var rendered strings.Builder
					if err := printPreview(&rendered, p, colourful(w, os.Getenv)); err != nil {
						return err
					}
					compared.Manifests, text = &p, text+"\n"+rendered.String()
				}
				return o.print(w, compared, text)
			})
		},
	}
	o.flags(c)
	c.Flags().BoolVar(&files, "files", false, "show what differs in the files that the Application is rendered from")
	c.Flags().BoolVar(&manifests, "manifests", false, "have Argo CD render both, and show what differs")
	c.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long --files and --manifests may take")
	return c
}

// fullRevisions are those of all sources, as gatekeeper diff takes them.
func fullRevisions(d deployments.Deployment) string {
	var out []string
	for _, r := range d.Revisions {
		out = append(out, r.Revision)
	}
	return strings.Join(out, ",")
}
