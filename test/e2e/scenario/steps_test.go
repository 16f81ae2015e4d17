package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/again"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// propose opens a pull request that changes a service's production limit.
func (s *story) propose(author, service, limit string) payments.Pull {
	s.t.Helper()
	p, err := s.Propose(author, service, limit)
	require.NoError(s.t, err)
	return p
}

func (s *story) approve(person string, n int) int64 {
	s.t.Helper()
	id, err := s.Approve(person, n)
	require.NoError(s.t, err)
	return id
}

func (s *story) merge(n int, method string) string {
	s.t.Helper()
	sha, err := s.Merge(payments.Alice, n, method)
	require.NoError(s.t, err)
	return sha
}

// says waits until the pull request's status comment holds every text.
func (s *story) says(n int, texts ...string) string {
	s.t.Helper()
	var comment string
	err := payments.Await(s.ctx, fmt.Sprintf("the comment on #%d to say %q", n, texts), func(context.Context) (bool, string, error) {
		comments, err := s.Comments(n)
		if err != nil {
			return false, "", err
		}
		if len(comments) > 1 {
			return false, "", fmt.Errorf("there are %d status comments:\n%s", len(comments), strings.Join(comments, "\n----\n"))
		}
		comment = strings.Join(comments, "")
		for _, text := range texts {
			if !strings.Contains(comment, text) {
				return false, comment, nil
			}
		}
		return true, comment, nil
	})
	require.NoError(s.t, err)
	return comment
}

// check waits until the gate's check run on a head has the title.
func (s *story) check(head, title string) {
	s.t.Helper()
	err := payments.Await(s.ctx, "the check run to say "+title, func(context.Context) (bool, string, error) {
		got, err := s.CheckTitle(head)
		return strings.Contains(got, title), got, err
	})
	require.NoError(s.t, err)
}

// untouched asserts that a service is as it was when the world began.
func (s *story) untouched(service string) {
	s.t.Helper()
	s.stays(service, s.Enrolled, payments.FirstLimit, 1)
}

// stays asserts that a service runs a revision and has been deployed n times,
// with no operation under way.
func (s *story) stays(service, revision, limit string, n int) {
	s.t.Helper()
	l, err := s.Live(s.ctx, "prod", service)
	require.NoError(s.t, err)
	require.False(s.t, l.Running, "an operation is under way: %s", l)
	for _, r := range l.Revisions {
		require.Equal(s.t, revision, r, again.Breach+"it is to stay at another revision: %s", l)
	}
	require.Equal(s.t, limit, l.Limit, again.Breach+"it is to stay as it is: %s", l)
	require.Len(s.t, l.History, n, again.Breach+"deployments: %s", l)
}

// runs waits until a service runs exactly a revision with healthy pods, and
// asserts how often it was deployed.
func (s *story) runs(service, revision, limit string, n int) payments.Live {
	s.t.Helper()
	l, err := s.AwaitLive(s.ctx, "prod", service, revision, limit)
	require.NoError(s.t, err)
	require.Len(s.t, l.History, n, again.Breach+"deployments: %s", l)
	return l
}

// looksHealthy has Argo CD look at a service again, and waits until it calls what it sees
// then Synced and Healthy, with the image alone. What it said before may be from before the
// rollout or from the middle of it, also when the pods are there.
func (s *story) looksHealthy(environment, service, reference string) {
	s.t.Helper()
	require.NoError(s.t, s.Refresh(s.ctx, environment, service))
	err := payments.Await(s.ctx, fmt.Sprintf("Argo CD to look at %s in %s and call it healthy", service, environment), func(ctx context.Context) (bool, string, error) {
		l, err := s.Live(ctx, environment, service)
		if err != nil {
			return false, "", err
		}
		good := !l.Refreshing && !l.Running && l.Sync == "Synced" && l.Health == "Healthy" && slices.Equal(l.Images, []string{reference})
		return good, l.String(), nil
	})
	require.NoError(s.t, err)
}

// recorded waits until the record holds n entries of a kind for a service.
func (s *story) recorded(service, kind string, n int) []payments.Entry {
	s.t.Helper()
	var found []payments.Entry
	err := payments.Await(s.ctx, fmt.Sprintf("%d %s entries for %s", n, kind, service), func(ctx context.Context) (bool, string, error) {
		entries, err := s.RecordOf(ctx, service)
		if err != nil {
			return false, "", err
		}
		found = nil
		var kinds []string
		for _, e := range entries {
			kinds = append(kinds, e.Kind)
			if e.Kind == kind {
				found = append(found, e)
			}
		}
		return len(found) >= n, strings.Join(kinds, " "), nil
	})
	require.NoError(s.t, err)
	require.Len(s.t, found, n)
	return found
}

// carried waits until n intents for a service had an outcome, and returns them. What was
// given up was intended anew: Argo CD writes to the Application whenever it likes.
func (s *story) carried(service string, n int) []payments.Entry {
	s.t.Helper()
	done := map[string]bool{}
	for _, e := range s.recorded(service, "outcome", n) {
		done[e.Intent] = true
	}
	entries, err := s.RecordOf(s.ctx, service)
	require.NoError(s.t, err)
	entries = slices.DeleteFunc(entries, func(e payments.Entry) bool { return e.Kind != "intent" || !done[e.Intent] })
	require.Len(s.t, entries, n)
	return entries
}

// carriedOut requires that exactly one intent for a service had an outcome, and
// that at least so many others were given up. There may be more of these: Argo CD
// writes to the Application whenever it likes, and a sync that it overtakes is
// refused, given up and intended anew.
func (s *story) carriedOut(service string, abandoned int) outcomePayload {
	s.t.Helper()
	outcome := s.recorded(service, "outcome", 1)
	entries, err := s.RecordOf(s.ctx, service)
	require.NoError(s.t, err)
	kinds := map[string]int{}
	for _, e := range entries {
		kinds[e.Kind]++
	}
	require.GreaterOrEqual(s.t, kinds["abandoned"], abandoned)
	require.Equal(s.t, kinds["abandoned"]+1, kinds["intent"], "%v", kinds)
	return decode[outcomePayload](s, outcome[0])
}

// verdict waits until the newest recorded decision on a service has a verdict
// and holds a finding with the code.
func (s *story) verdict(service, verdict, code string) {
	s.t.Helper()
	err := payments.Await(s.ctx, fmt.Sprintf("the decision on %s to be %s with %s", service, verdict, code), func(ctx context.Context) (bool, string, error) {
		d, err := s.Decision(ctx, service)
		return d.Verdict == verdict && d.Has(code), fmt.Sprintf("%+v", d), err
	})
	require.NoError(s.t, err)
}

// decisionPayload, intentPayload and outcomePayload are what a reader of the
// export sees; they are spelled out here so that the format is tested too.
type decisionPayload struct {
	Decision payments.Decision
	Facts    struct {
		Lines []struct {
			Landings []struct {
				Kind  string
				Proof struct{ Result string }
				Pull  *struct {
					Number  int
					Head    string
					Reviews []struct {
						State  string
						Commit string
						User   struct{ Login string }
					}
				}
			}
		}
	}
}

type intentPayload struct {
	ID          string
	InitiatedBy string
	Candidate   struct {
		Revisions []struct{ SHA string }
	}
	Approvers []struct{ Login string }
}

type outcomePayload struct {
	Intent    string
	Result    string
	Revisions []string
}

func decode[T any](s *story, e payments.Entry) T {
	s.t.Helper()
	var v T
	require.NoError(s.t, json.Unmarshal(e.Payload, &v))
	return v
}
