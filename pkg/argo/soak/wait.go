package soak

import (
	"maps"
	"time"
)

type waitKey struct{ asker, application string }

// wait is a question that may get another answer.
type wait struct {
	images []Image
	ready  time.Time // zero: no time alone will do
}

// answer reads the answers and the deadline in one piece.
func (w *Watch) answer(key string, question Question) []Evidence {
	w.mu.Lock()
	defer w.mu.Unlock()
	var memory Memory
	if e := w.entries[key]; e != nil {
		memory = e.memory
	}
	now := time.Now()
	answers := make([]Evidence, len(question.Images))
	waiting := wait{images: question.Images}
	open, running := 0, 0
	for i, image := range question.Images {
		demand := Demand{Image: image, Soak: question.Soak, Past: question.Past}
		answers[i] = memory.Evidence(question.Name, demand, now, w.options.Rules)
		if answers[i].Proven() {
			continue
		}
		open++
		if ready := answers[i].Ready; !ready.IsZero() {
			running++
			if ready.After(waiting.ready) {
				waiting.ready = ready
			}
		}
	}
	if running < open {
		waiting.ready = time.Time{}
	}
	if question.For != "" {
		w.waits[waitKey{question.For, key}] = waiting
		w.signal()
	}
	return answers
}

// Forget ends the waiting of an asker that will not ask again.
func (w *Watch) Forget(asker string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.waits, func(at waitKey, _ wait) bool { return at.asker == asker })
}

// affected removes and returns who waits for an image whose run has begun, ended, or
// begun again. The lock is held.
func (w *Watch) affected(key string, before, after Memory) []string {
	var askers []string
	for at, waiting := range w.waits {
		if at.application != key {
			continue
		}
		for _, image := range waiting.images {
			a, _ := before.run(image)
			b, _ := after.run(image)
			if !a.Since.Equal(b.Since) {
				askers = append(askers, at.asker)
				delete(w.waits, at)
				break
			}
		}
	}
	return askers
}

// due wakes those whose time has come and returns when the next one's does.
func (w *Watch) due(now time.Time) time.Time {
	w.mu.Lock()
	var next time.Time
	var woken []string
	for at, waiting := range w.waits {
		switch {
		case waiting.ready.IsZero():
		case !waiting.ready.After(now):
			woken = append(woken, at.asker)
			delete(w.waits, at)
		case next.IsZero() || waiting.ready.Before(next):
			next = waiting.ready
		}
	}
	w.mu.Unlock()
	for _, asker := range woken {
		w.options.Wake(asker)
	}
	return next
}
