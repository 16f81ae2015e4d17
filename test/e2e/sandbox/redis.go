package sandbox

import (
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// redisTick is the resolution of expiry in the in-process Redis.
const redisTick = 100 * time.Millisecond

// memoryRedis is a Redis server inside this process. miniredis does not let keys
// expire by itself, so a goroutine moves its clock: Argo CD relies on the expiry of
// cached Git references.
type memoryRedis struct {
	server *miniredis.Miniredis
	stop   chan struct{}
	done   chan struct{}
}

func startRedis() (*memoryRedis, error) {
	server := miniredis.NewMiniRedis()
	if err := server.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("start Redis: %w", err)
	}
	r := &memoryRedis{server: server, stop: make(chan struct{}), done: make(chan struct{})}
	go r.advance()
	return r, nil
}

func (r *memoryRedis) advance() {
	defer close(r.done)
	tick := time.NewTicker(redisTick)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-r.stop:
			return
		case <-tick.C:
			now := time.Now()
			r.server.FastForward(now.Sub(last))
			last = now
		}
	}
}

func (r *memoryRedis) addr() string { return r.server.Addr() }

// close stops the server. It must be called once.
func (r *memoryRedis) close() {
	close(r.stop)
	<-r.done
	r.server.Close()
}
