package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/events"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/argolink"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/errand"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// linkAgain is how soon a link is tried again on an Application that is being synced.
const linkAgain = 5 * time.Second

// links puts links to pull requests on Applications.
type links struct {
	gates  func(name string) bool
	gitHub string
	queue  *errand.Queue[string, linked]
}

// linked is an Application with what it is to link to.
type linked struct {
	app  approval.Application
	link argolink.Link
}

func newLinks(live *settings, cluster argoCD, log *slog.Logger) *links {
	l := &links{gitHub: live.now().File.GitHub.URL, gates: func(name string) bool {
		return slices.ContainsFunc(live.now().File.Gates, func(g config.Gate) bool { return g.Name == name && g.ApplicationLinks })
	}}
	writer := argolink.New(cluster.client)
	l.queue = errand.New(errand.Options[string, linked]{
		Do: func(ctx context.Context, w linked) error {
			written, err := writer.Write(ctx, w.app.Namespace, w.app.Name, w.app.UID, w.link)
			if errors.Is(err, argolink.ErrBusy) || errors.Is(err, approval.ErrStale) {
				return errand.Later{At: time.Now().Add(linkAgain)}
			}
			if written {
				log.LogAttrs(ctx, slog.LevelInfo, "application_linked", slog.String("application", w.app.Key()), slog.String("title", w.link.Title))
			}
			if apierrors.IsForbidden(err) {
				return errand.Forbidden{Err: err, Remedy: linkRemedy(w.app.Namespace, err)}
			}
			return err
		},
		// Rights are given by namespace.
		Repository: func(app string) approval.RepositoryName {
			namespace, _, _ := strings.Cut(app, "/")
			return approval.RepositoryName(namespace)
		},
		Attrs: func(app string) []slog.Attr { return []slog.Attr{slog.String("application", app)} },
		What:  "links on Applications", Logger: log,
	})
	return l
}

// linkRemedy is what to do when an Application may not be patched: by RBAC, which names the
// verb that is missing, or by an admission policy of the cluster.
func linkRemedy(namespace string, err error) string {
	if !strings.Contains(err.Error(), " cannot ") {
		return "an admission policy or webhook of the cluster refuses it: let Gatekeeper's service account write the annotation " +
			argolink.Annotation + " on Applications in namespace " + namespace + ", or switch applicationLinks off for the gate"
	}
	return "give Gatekeeper's service account this rule in namespace " + namespace +
		`: {apiGroups: ["argoproj.io"], resources: ["applications"], verbs: ["get", "patch"]}` +
		", or switch applicationLinks off for the gate; `gatekeeper doctor` checks the right (kubernetes.gatekeeper-rights)"
}

// Decided implements gate.Observer.
func (l *links) Decided(_ context.Context, app approval.Application, d approval.Decision, _ bool) {
	if !l.gates(d.Gate) {
		return
	}
	if link, ok := argolink.Of(d, l.gitHub); ok {
		l.queue.Put(app.Key(), linked{app, link}, nil)
	}
}

// Ended implements gate.Observer.
func (*links) Ended(context.Context, approval.Application, history.IntentPayload, history.OutcomePayload) {
}

// happenings makes Events of what is new about Applications.
type happenings struct{ *enforcement }

// Decided implements gate.Observer. What was the same before the start is no news.
func (h happenings) Decided(_ context.Context, app approval.Application, d approval.Decision, first bool) {
	if h.enforcement == nil || first || d.Verdict == approval.Allowed {
		return
	}
	for _, f := range d.Findings {
		if f.Verdict == d.Verdict {
			h.events.Emit(involved(app), events.Normal, "GatekeeperWaiting", f.Text)
			return
		}
	}
}

// Ended implements gate.Observer.
func (h happenings) Ended(_ context.Context, app approval.Application, intent history.IntentPayload, o history.OutcomePayload) {
	if h.enforcement == nil {
		return
	}
	text := intent.InitiatedBy + ": " + revisionsOf(intent.Candidate)
	if o.Result == history.ResultSucceeded {
		h.events.Emit(involved(app), events.Normal, "GatekeeperSynced", text)
		return
	}
	h.events.Emit(involved(app), events.Warning, "GatekeeperSyncEnded", text+": "+string(o.Result)+" "+o.Message)
}

func involved(app approval.Application) events.Application {
	return events.Application{Namespace: app.Namespace, Name: app.Name, UID: app.UID}
}

// revisionsOf are the short revisions of a candidate.
func revisionsOf(c approval.Candidate) string {
	var short []string
	for _, r := range c.Revisions {
		short = append(short, r.SHA.Short())
	}
	return strings.Join(short, ", ")
}
