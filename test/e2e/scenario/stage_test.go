package scenario

import (
	"flag"
	"os"
	"strconv"
	"testing"
)

// TestMain lets all stories run in parallel as far as the testing package goes: it would
// play one for each processor, in any order, while most of what a story does is to wait.
// A stage decides instead.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(len(scenarios()))); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// stage has room for some stories, which enter in the order in which they are listed.
type stage struct {
	room chan struct{}
	last chan struct{} // closed when the story before has entered
}

func newStage(room int) *stage {
	open := make(chan struct{})
	close(open)
	return &stage{room: make(chan struct{}, room), last: open}
}

// enter makes a test a parallel one, waits until there is room for it, and returns what
// leaves the stage.
func (s *stage) enter(t *testing.T) (leave func()) {
	t.Helper()
	before, entered := s.last, make(chan struct{})
	s.last = entered
	t.Parallel()
	<-before
	s.room <- struct{}{}
	close(entered)
	return func() { <-s.room }
}
