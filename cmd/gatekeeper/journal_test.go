package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// journal keeps what a process logs.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// address is where the process says that it serves; empty before that.
func (j *journal) address() string {
	lines := bufio.NewScanner(strings.NewReader(j.String()))
	for lines.Scan() {
		var line struct {
			Msg, Address string
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
			return line.Address
		}
	}
	return ""
}

// served runs serve until it says that it serves, ends it as SIGTERM does, and returns its
// status and what it logged.
func served(t *testing.T, file string) (code int, stderr string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	logged, ended := &journal{}, make(chan int, 1)
	go func() { ended <- run(ctx, []string{"serve", "--config", file}, io.Discard, logged) }()
	require.Eventually(t, func() bool { return logged.address() != "" || len(ended) > 0 }, 2*time.Minute, 5*time.Millisecond, "it does not serve")
	stop()
	code = <-ended
	return code, logged.String()
}
