package httpapi

import "time"

// crewIdle is how long a goroutine of a crew waits for more to do.
const crewIdle = 10 * time.Second

// crew has goroutines that stay for a while after their work: the stack of a new one
// grows step by step to what a judgement needs, each time by copying it, which took a
// tenth of an answer. It is safe for concurrent use.
type crew struct {
	jobs chan func()
	idle time.Duration
}

func newCrew(idle time.Duration) crew { return crew{jobs: make(chan func()), idle: idle} }

// do has the job done at once, by a goroutine that waits or by another one. The job must
// not panic.
func (c crew) do(job func()) {
	select {
	case c.jobs <- job:
	default:
		go c.work(job)
	}
}

func (c crew) work(job func()) {
	timer := time.NewTimer(c.idle)
	defer timer.Stop()
	for {
		job()
		timer.Reset(c.idle)
		select {
		case job = <-c.jobs:
		case <-timer.C:
			return
		}
	}
}
