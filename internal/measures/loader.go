package measures

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

// Record is what the loader reads.
type Record = history.Reader

// Loader reads observations from a record. It goes on where it stopped, so a second read
// costs what was written since. It is safe for concurrent use.
type Loader struct {
	record Record
	model  *deployments.Model
	pace   *pace // nil for as fast as it can

	mu   sync.Mutex
	next uint64
	apps map[string]*application // by UID
}

// application is what was read of one.
type application struct {
	// read are its deployments by number, from 1 on.
	read []deployment
	// marks are what people said about them.
	marks []dora.Mark
	// news: the record has more of it than was read.
	news bool
	// order is its place among the others.
	order string
}

// NewLoader makes a Loader that has read nothing yet.
func NewLoader(record Record) *Loader {
	return &Loader{record: record, model: deployments.New(record), next: 1, apps: map[string]*application{}}
}

// NewSlowLoader makes a Loader that leaves most of the machine to others, for work in the
// background.
func NewSlowLoader(record Record) *Loader {
	l := NewLoader(record)
	l.pace = newPace()
	return l
}

// entriesRead is how many entries are read at a time.
const entriesRead = 200

// Applications are all that the record tells of, by name. It returns everything up to the
// end of the record, or an error.
func (l *Loader) Applications(ctx context.Context) ([]dora.Application, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pace.resume()
	if err := l.look(ctx); err != nil {
		return nil, err
	}
	found := make([]*application, 0, len(l.apps))
	for uid, app := range l.apps {
		if app.news {
			if err := l.read(ctx, uid, app); err != nil {
				return nil, err
			}
			if err := l.pace.breathe(ctx); err != nil {
				return nil, err
			}
		}
		if len(app.read) > 0 {
			found = append(found, app)
		}
	}
	slices.SortFunc(found, func(a, b *application) int { return strings.Compare(a.order, b.order) })
	out := make([]dora.Application, len(found))
	for i, app := range found {
		if err := l.pace.breathe(ctx); err != nil {
			return nil, err
		}
		out[i] = join(app.read)
		out[i].Marks = slices.Clone(app.marks)
	}
	return out, nil
}

func firstOperation(a dora.Application) string {
	if len(a.Operations) == 0 {
		return ""
	}
	return a.Operations[0].StartedAt.String()
}

// look finds the Applications of which there is news.
func (l *Loader) look(ctx context.Context) error {
	head, err := l.record.Head(ctx)
	if err != nil {
		return fmt.Errorf("read the record's head: %w", err)
	}
	tells := []history.Kind{history.KindOutcome, history.KindObserved, history.KindHealth, history.KindAct}
	for l.next <= head.Sequence {
		entries, err := l.record.Select(ctx, history.Selection{Kinds: tells, From: l.next, Before: head.Sequence + 1}, entriesRead)
		if err != nil {
			return fmt.Errorf("read the record: %w", err)
		}
		if len(entries) == 0 {
			l.next = head.Sequence + 1
			break
		}
		for _, e := range entries {
			if e.Kind == history.KindAct {
				if err := l.mark(ctx, e); err != nil {
					return err
				}
				l.next = e.Sequence + 1
				continue
			}
			app := l.apps[e.Application]
			if app == nil {
				app = &application{}
				l.apps[e.Application] = app
			}
			app.news, l.next = true, e.Sequence+1
		}
		if err := l.pace.breathe(ctx); err != nil {
			return err
		}
	}
	return nil
}

// mark keeps what a person said about a deployment, which may be an old one.
func (l *Loader) mark(ctx context.Context, e history.Entry) error {
	act, err := history.Decode[history.ActPayload](e)
	if err != nil || act.Verb != history.VerbMark {
		return err
	}
	number, err := l.model.Number(ctx, e.Application, act.Deployment)
	if err != nil {
		return fmt.Errorf("find what entry %d marks: %w", e.Sequence, err)
	}
	app := l.apps[e.Application]
	if app == nil {
		return fmt.Errorf("entry %d marks a deployment that is not on record", e.Sequence)
	}
	app.marks = append(app.marks, dora.Mark{
		Operation: operationID(act.Application, number), At: e.Time, By: act.Person.Name, Failed: act.Mark == history.MarkFailed,
	})
	return nil
}

// again is how many deployments are read once more when there is news: the health after
// one is recorded later than its end.
const again = 3

// read adds the deployments that are new.
func (l *Loader) read(ctx context.Context, uid string, app *application) error {
	first := max(1, len(app.read)-again+1)
	// The health that comes next is that of the newest one that succeeded.
	for first > 1 && !app.read[first-1].live && app.read[first-1].archived.IsZero() {
		first--
	}
	read := slices.Clone(app.read[:first-1])
	for {
		page, err := l.model.Range(ctx, uid, len(read)+1, len(read)+deployments.PageMost)
		if err != nil {
			return fmt.Errorf("read the deployments: %w", err)
		}
		for _, d := range page {
			if d.Archived {
				read = append(read, deployment{archived: d.Recorded})
				continue
			}
			before, err := l.before(ctx, d)
			if err != nil {
				return err
			}
			read = append(read, observe(d, before))
		}
		if len(page) < deployments.PageMost {
			app.read, app.news = read, false
			if len(read) > 0 {
				joined := join(read)
				app.order = joined.Name + " " + firstOperation(joined)
			}
			return nil
		}
	}
}

// before is the health that an Application had when its sync was decided on; empty when
// that is not on record, or was long before the sync.
func (l *Loader) before(ctx context.Context, d deployments.Deployment) (dora.Health, error) {
	if d.Decision == 0 {
		return "", nil
	}
	entries, err := l.record.Entries(ctx, d.Decision, 1)
	if err != nil {
		return "", fmt.Errorf("read the decision of entry %d: %w", d.Decision, err)
	}
	if len(entries) == 0 || entries[0].Sequence != d.Decision {
		return "", fmt.Errorf("the decision of entry %d is not on record", d.Decision)
	}
	p, err := history.Decode[history.DecisionPayload](entries[0])
	if errors.Is(err, history.ErrArchived) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if since := d.StartedAt.Sub(p.Facts.CollectedAt); since > longBefore || since < -longBefore {
		return "", nil
	}
	return dora.Health(p.Facts.Application.Health), nil
}
