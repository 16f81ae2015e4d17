package wanted

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRead(t *testing.T) {
	l, err := Read()
	require.NoError(t, err)
	require.Contains(t, l.Operations, Operation{Method: "PUT", Path: "/repos/{owner}/{repo}/pulls/{pull_number}/merge"})
	require.Contains(t, l.Events, Event{Name: "pull_request", Action: "ready_for_review"})
	require.Contains(t, l.Events, Event{Name: "push"})
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"one word":       "GET",
		"no path":        "GET app",
		"three words":    "GET /app now",
		"method":         "get /app",
		"second method":  "GET,FETCH /app",
		"endpoint twice": "GET,POST /app\nPOST /app",
		"action twice":   "event team created\nevent team created",
		"event twice":    "event push\nevent push",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(text)
			require.Error(t, err)
		})
	}
}
