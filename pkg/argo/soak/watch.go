package soak

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const (
	// retry is how long after a failure what could not be kept is tried again.
	retry = 10 * time.Second
	// readTimeout bounds a read, and so how old what it shows can be.
	readTimeout = 10 * time.Second
)

// Store keeps what is remembered, by "namespace/name" of the Application.
type Store interface {
	// Soaks returns everything that was kept.
	Soaks(ctx context.Context) (map[string][]byte, error)
	// SaveSoaks keeps all of it or nothing. Nil forgets an Application.
	SaveSoaks(ctx context.Context, memories map[string][]byte) error
}

// Reader reads an Application anew, as it is stored. An error wraps
// approval.ErrNotFound if there is no such Application.
type Reader interface {
	Object(ctx context.Context, namespace, name string) (map[string]any, error)
}

// Options configure a Watch.
type Options struct {
	Store  Store
	Reader Reader
	Rules  Rules
	// Wake is called with Question.For when the answers to a question may have become
	// others: an image began or ceased to run uninterrupted, or has now run for long
	// enough. It is called once for each Ask, must not block, and may be called by
	// several goroutines.
	Wake   func(asker string)
	Logger *slog.Logger
}

// Question asks about images in one Application.
type Question struct {
	// For names the asker: what Wake is called with. A later question of the same
	// asker about the same Application takes the place of the earlier one.
	For string
	// Namespace and Name are of the Application in which images are proven.
	Namespace, Name string
	Images          []Image
	// Soak and Past are as those of Demand.
	Soak time.Duration
	Past bool
}

// Watch remembers what runs in the Applications that it was asked to follow. It is
// safe for concurrent use.
type Watch struct {
	options Options
	changed chan struct{} // something is to be kept, or a deadline is another one

	saving  sync.Mutex // held from taking what is to be kept until it is kept
	mu      sync.Mutex
	entries map[string]*entry
	waits   map[waitKey]wait
	fresh   []string // followed and not read yet
}

// entry is one Application that is followed.
type entry struct {
	memory Memory
	// version is the resource version that was observed last, 0 if that is unknown.
	version uint64
	dirty   bool
	// dropped is true if nobody wants it any more; it is removed once that is kept.
	dropped bool
}

// Open reads what was remembered and follows those Applications again.
func Open(ctx context.Context, options Options) (*Watch, error) {
	if err := options.Rules.Check(); err != nil {
		return nil, fmt.Errorf("watch what runs in Applications: %w", err)
	}
	if options.Store == nil || options.Reader == nil {
		return nil, errors.New("watch what runs in Applications: a store and a reader are needed")
	}
	if options.Wake == nil {
		options.Wake = func(string) {}
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	kept, err := options.Store.Soaks(ctx)
	if err != nil {
		return nil, fmt.Errorf("watch what runs in Applications: %w", err)
	}
	w := &Watch{
		options: options, changed: make(chan struct{}, 1),
		entries: make(map[string]*entry, len(kept)), waits: map[waitKey]wait{},
	}
	for key, data := range kept {
		memory, err := Decode(data)
		if err != nil {
			options.Logger.LogAttrs(ctx, slog.LevelWarn, "soak_forgotten",
				slog.String("application", key), slog.String("error", err.Error()))
			memory = Memory{}
		}
		w.entries[key] = &entry{memory: memory, dirty: err != nil}
		w.fresh = append(w.fresh, key)
	}
	return w, nil
}

// Follow makes the Watch remember what runs in an Application from now on. Time
// before that does not count.
func (w *Watch) Follow(namespace, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := namespace + "/" + name
	if e := w.entries[key]; e != nil && !e.dropped {
		return
	}
	w.entries[key] = &entry{dirty: true} // what may be kept of an earlier time is void
	w.fresh = append(w.fresh, key)
	w.signal()
}

// Keep forgets the Applications for which it returns false, for example after the
// configuration has changed.
func (w *Watch) Keep(wanted func(namespace, name string) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, e := range w.entries {
		namespace, name, _ := strings.Cut(key, "/")
		if !wanted(namespace, name) {
			e.memory, e.dirty, e.dropped = Memory{}, true, true
		}
	}
	w.signal()
}

// Object takes in an Application from a watch. It is quick for one that is not
// followed, and never blocks on anything slow.
func (w *Watch) Object(object map[string]any) {
	metadata, _ := object["metadata"].(map[string]any)
	namespace, _ := metadata["namespace"].(string)
	name, _ := metadata["name"].(string)
	key := namespace + "/" + name
	w.mu.Lock()
	e := w.entries[key]
	followed := e != nil && !e.dropped
	w.mu.Unlock()
	if followed {
		w.observe(key, Observe(object, time.Time{}), false)
	}
}

// Gone takes in that an Application with this UID is not there any more.
func (w *Watch) Gone(namespace, name, uid string) {
	key := namespace + "/" + name
	w.mu.Lock()
	e := w.entries[key]
	current := e != nil && e.memory.UID == uid // else it was made anew already
	w.mu.Unlock()
	if current {
		w.observe(key, Observation{}, true)
	}
}

// look reads an Application anew and takes in what that shows.
func (w *Watch) look(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	namespace, name, _ := strings.Cut(key, "/")
	object, err := w.options.Reader.Object(ctx, namespace, name)
	switch {
	case err == nil:
		w.observe(key, Observe(object, time.Time{}), true)
	case errors.Is(err, approval.ErrNotFound):
		w.observe(key, Observation{}, true)
	default:
		return err //nolint:wrapcheck // both callers say what it was for
	}
	return nil
}

// observe folds an observation into what is remembered. Its moment is now: what was
// read is older by the time that the read took, and never newer. A version that was
// taken in before is taken in again only if it was read again.
func (w *Watch) observe(key string, o Observation, again bool) {
	version, err := strconv.ParseUint(o.ResourceVersion, 10, 64)
	if err != nil {
		version = 0
	}
	w.mu.Lock()
	e := w.entries[key]
	if e == nil || e.dropped || (o.UID != "" && o.UID == e.memory.UID && version != 0 &&
		(version < e.version || version == e.version && !again)) {
		// What a read has shown already and the watch delivers later is the past.
		w.mu.Unlock()
		return
	}
	// Under the lock, so that later observations have later times. The clock on the wall,
	// as after a restart: it goes on while a machine sleeps, so that the gap is seen.
	o.At = time.Now().Round(0)
	before := e.memory
	e.memory, e.version, e.dirty = before.Next(o, w.options.Rules), version, true
	woken := w.affected(key, before, e.memory)
	w.signal()
	w.mu.Unlock()
	for _, asker := range woken {
		w.options.Wake(asker)
	}
}

func (w *Watch) signal() {
	select {
	case w.changed <- struct{}{}:
	default: // one is under way already
	}
}

// Ask reads the Application anew, keeps what that shows, and answers for each image
// in the order of the question. Wake is called with Question.For
// when it is worth asking again, also when what was proven is not any more. An error means that nothing is proven.
func (w *Watch) Ask(ctx context.Context, question Question) ([]Evidence, error) {
	key := question.Namespace + "/" + question.Name
	w.Follow(question.Namespace, question.Name)
	w.mu.Lock()
	delete(w.waits, waitKey{question.For, key}) // who asks need not be woken to ask
	w.mu.Unlock()
	if err := w.look(ctx, key); err != nil {
		return nil, fmt.Errorf("see what runs in %s: %w", key, err)
	}
	if err := w.save(ctx); err != nil {
		return nil, fmt.Errorf("see what runs in %s: %w", key, err)
	}
	return w.answer(key, question), nil
}

// Run keeps what is observed, and wakes who waits, until the context ends. Without
// it nothing is kept but what Ask keeps.
func (w *Watch) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			// What was observed last makes the gap shorter.
			return w.save(context.WithoutCancel(ctx))
		case <-w.changed:
		case <-timer.C:
		}
		w.read(ctx)
		next := w.due(time.Now())
		if err := w.save(ctx); err != nil && ctx.Err() == nil {
			w.options.Logger.LogAttrs(ctx, slog.LevelError, "soak_not_kept", slog.String("error", err.Error()))
			if again := time.Now().Add(retry); next.IsZero() || again.Before(next) {
				next = again
			}
		}
		timer.Stop()
		if !next.IsZero() {
			timer.Reset(time.Until(next))
		}
	}
}

// read looks at the Applications that are followed newly, so that their time begins
// now and not with their next change. What fails is shown by the watch later.
func (w *Watch) read(ctx context.Context) {
	w.mu.Lock()
	keys := w.fresh
	w.fresh = nil
	w.mu.Unlock()
	for _, key := range keys {
		w.mu.Lock()
		e := w.entries[key]
		seen := e == nil || e.version != 0 // the watch was quicker
		w.mu.Unlock()
		if seen {
			continue
		}
		if err := w.look(ctx, key); err != nil {
			w.options.Logger.LogAttrs(ctx, slog.LevelWarn, "soak_not_read",
				slog.String("application", key), slog.String("error", err.Error()))
		}
	}
}

// save keeps all that is not kept yet. Of an Application that is gone or was never
// seen nothing is kept.
func (w *Watch) save(ctx context.Context) error {
	w.saving.Lock()
	defer w.saving.Unlock()
	memories := map[string][]byte{}
	w.mu.Lock()
	var err error
	for key, e := range w.entries {
		if !e.dirty {
			continue
		}
		var data []byte
		if e.memory.UID != "" {
			if data, err = e.memory.Encode(); err != nil {
				break
			}
		}
		memories[key], e.dirty = data, false
	}
	w.mu.Unlock()
	if err == nil && len(memories) > 0 {
		err = w.options.Store.SaveSoaks(ctx, memories)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for key := range memories {
		switch e := w.entries[key]; {
		case e == nil:
		case err != nil:
			e.dirty = true
		case e.dropped && !e.dirty:
			delete(w.entries, key)
		}
	}
	return err
}
