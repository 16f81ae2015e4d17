package standin_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/contract"
)

// BenchmarkReadPull is GET of one pull request over loopback, by one client with keep-alive and a few
// requests at a time, with every answer checked against GitHub's description. The aim is 2,000 a second.
func BenchmarkReadPull(b *testing.B) {
	s, err := standin.Start(context.WithoutCancel(b.Context()), standin.Options{Dir: b.TempDir()})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	alice, err := s.CreateUser("alice", "Alice")
	require.NoError(b, err)
	repo, err := s.CreateRepository("alice", "many", standin.RepositoryOptions{})
	require.NoError(b, err)
	_, err = s.As("alice").OpenPull(repo.Name, standin.PullOptions{Title: "x", Change: standin.Change{Files: map[string]string{"a": "b"}}})
	require.NoError(b, err)
	s.SetRateLimit(1 << 40)
	for _, path := range []string{"pulls/1", "pulls", "pulls/1/reviews"} {
		b.Run(path, func(b *testing.B) {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			b.Cleanup(client.CloseIdleConnections)
			b.SetParallelism(4)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, s.APIURL()+"repos/alice/many/"+path, nil)
					if err != nil {
						b.Error(err)
						return
					}
					req.Header.Set("Authorization", "token "+alice.Token)
					resp, err := client.Do(req)
					if err != nil {
						b.Error(err)
						return
					}
					_, err = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					if err != nil || resp.StatusCode != http.StatusOK {
						b.Errorf("status %d, %v", resp.StatusCode, err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
		})
	}
}

// BenchmarkCheckEvent is the check of one pull_request event that was not seen before.
func BenchmarkCheckEvent(b *testing.B) {
	s, err := standin.Start(context.WithoutCancel(b.Context()), standin.Options{Dir: b.TempDir()})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	_, err = s.CreateUser("alice", "Alice")
	require.NoError(b, err)
	repo, err := s.CreateRepository("alice", "many", standin.RepositoryOptions{})
	require.NoError(b, err)
	app, err := s.CreateApp(standin.AppOptions{Slug: "app", Owner: "alice", Permissions: map[string]string{"pull_requests": "read"},
		Events: []string{"pull_request"}, WebhookURL: s.URL() + "/meta"})
	require.NoError(b, err)
	_, err = s.Install(app.ID, "alice", "many")
	require.NoError(b, err)
	_, err = s.As("alice").OpenPull(repo.Name, standin.PullOptions{Title: "x", Change: standin.Change{Files: map[string]string{"a": "b"}}})
	require.NoError(b, err)
	require.NoError(b, s.WaitDelivered(b.Context()))
	checker, err := contract.New()
	require.NoError(b, err)
	for _, d := range s.Deliveries(app.ID) {
		if d.Event != "pull_request" {
			continue
		}
		// Spaces before the payload make it another one; there are more of them than are remembered.
		for i := 0; b.Loop(); i++ {
			body := append([]byte(strings.Repeat(" ", i%9000)), d.Payload...)
			if err := checker.Webhook(d.Event, d.Action, body); err != nil {
				b.Fatal(err)
			}
		}
	}
}
