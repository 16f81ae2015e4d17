package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/events"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/argolink"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/errand"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// linkAgain is how soon something is put on an Application that is being synced.
const linkAgain = 5 * time.Second

// links puts links to pull requests, and notices, on Applications.
type links struct {
	gate   func(name string) (config.Gate, bool)
	gitHub string
	queue  *errand.Queue[annotation, linked]
	log    *slog.Logger

	mu sync.Mutex
	// unread are the namespaces of which it was said that ApplicationSets may not be read.
	unread map[string]bool
}

// linked is an Application with what is to be put on it.
type linked struct {
	app   approval.Application
	shown argolink.Shown
}

// annotation is what a word is about. A link and a notice of one Application are two, since a
// decision may have a word on one of them alone.
type annotation struct {
	app    string
	notice bool
}

func newLinks(live *settings, cluster argoCD, log *slog.Logger) *links {
	l := &links{gitHub: live.now().File.GitHub.URL, log: log, unread: map[string]bool{}, gate: func(name string) (config.Gate, bool) {
		gates := live.now().File.Gates
		i := slices.IndexFunc(gates, func(g config.Gate) bool { return g.Name == name })
		if i < 0 {
			return config.Gate{}, false
		}
		return gates[i], true
	}}
	writer := argolink.New(cluster.client)
	l.queue = errand.New(errand.Options[annotation, linked]{
		Do: func(ctx context.Context, w linked) error {
			written, err := writer.Write(ctx, w.app.Namespace, w.app.Name, w.app.UID, w.shown)
			if errors.Is(err, argolink.ErrBusy) || errors.Is(err, approval.ErrStale) {
				return errand.Later{At: time.Now().Add(linkAgain)}
			}
			if written {
				log.LogAttrs(ctx, slog.LevelInfo, "application_linked", append([]slog.Attr{slog.String("application", w.app.Key())}, saying(w.shown)...)...)
			}
			if errors.Is(err, argolink.ErrSetUnread) {
				l.setsUnread(ctx, w.app, err)
				return nil
			}
			if apierrors.IsForbidden(err) {
				return errand.Forbidden{Err: err, Remedy: linkRemedy(w.app.Namespace, err)}
			}
			return err
		},
		// Rights are given by namespace.
		Repository: func(m annotation) approval.RepositoryName {
			namespace, _, _ := strings.Cut(m.app, "/")
			return approval.RepositoryName(namespace)
		},
		Attrs: func(m annotation) []slog.Attr { return []slog.Attr{slog.String("application", m.app)} },
		What:  "links and notices on Applications", Logger: log,
	})
	return l
}

// saying is what is put on an Application, for the log.
func saying(s argolink.Shown) []slog.Attr {
	var out []slog.Attr
	if s.Link != nil {
		out = append(out, slog.String("title", s.Link.Title))
	}
	if s.Notice != nil {
		out = append(out, slog.String("notice", s.Notice.Content))
	}
	return out
}

// setsUnread says once for each namespace which right is missing. Without it the Applications
// of ApplicationSets are left alone, as if nothing was preserved; the others are not.
func (l *links) setsUnread(ctx context.Context, app approval.Application, err error) {
	l.mu.Lock()
	told := l.unread[app.Namespace]
	l.unread[app.Namespace] = true
	l.mu.Unlock()
	if !told {
		l.log.LogAttrs(ctx, slog.LevelInfo, "applicationset_unread", slog.String("application", app.Key()), slog.Any("error", err),
			slog.String("remedy", "to have links and notices on Applications of ApplicationSets that preserve them, give Gatekeeper's service account this rule in namespace "+
				app.Namespace+`: {apiGroups: ["argoproj.io"], resources: ["applicationsets"], verbs: ["get"]}`))
	}
}

// linkRemedy is what to do when an Application may not be patched: by RBAC, which names the
// verb that is missing, or by an admission policy of the cluster.
func linkRemedy(namespace string, err error) string {
	if !strings.Contains(err.Error(), " cannot ") {
		return "an admission policy or webhook of the cluster refuses it: let Gatekeeper's service account write the annotations " +
			argolink.Annotation + ", " + argolink.NoticeContent + ", " + argolink.NoticeSeverity + ", " + argolink.NoticeURL + " and " + argolink.NoticeMark +
			" on Applications in namespace " + namespace + ", or switch applicationLinks and applicationNotices off for the gate"
	}
	return "give Gatekeeper's service account this rule in namespace " + namespace +
		`: {apiGroups: ["argoproj.io"], resources: ["applications"], verbs: ["get", "patch"]}` +
		", or switch applicationLinks and applicationNotices off for the gate; `gatekeeper doctor` checks the right (kubernetes.gatekeeper-rights)"
}

// Decided implements gate.Observer.
func (l *links) Decided(_ context.Context, app approval.Application, d approval.Decision, _ bool) {
	g, ok := l.gate(d.Gate)
	if !ok {
		return
	}
	if g.ApplicationLinks {
		if link, ok := argolink.Of(d, l.gitHub); ok {
			l.queue.Put(annotation{app: app.Key()}, linked{app, argolink.Shown{Link: &link}}, nil)
		}
	}
	if g.ApplicationNotices {
		if notice, ok := argolink.NoticeOf(d, l.gitHub); ok {
			l.queue.Put(annotation{app: app.Key(), notice: true}, linked{app, argolink.Shown{Notice: &notice}}, nil)
		}
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
