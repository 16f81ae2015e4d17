package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// developer is the account in Argo CD of the person who acts here.
const developer = "developer"

// argocd runs the argocd command line as the developer; it has to succeed.
func (s *story) argocd(args ...string) string {
	s.t.Helper()
	out, err := s.Sandbox.ArgoCD().CLIAs(s.ctx, developer, args...)
	require.NoError(s.t, err)
	return string(out)
}

// tryAgain is in refusals that pass by themselves: a decision is being made, or a slow
// machine did not answer in time.
const tryAgain = "try again"

// argocdAgain runs the argocd command line until it succeeds, as long as the refusal
// says that one is to try again, or the API server has not seen yet what was changed.
func (s *story) argocdAgain(args ...string) {
	s.t.Helper()
	err := payments.Await(s.ctx, "argocd "+strings.Join(args, " "), func(ctx context.Context) (bool, string, error) {
		out, err := s.Sandbox.ArgoCD().CLIAs(ctx, developer, args...)
		for _, passing := range []string{tryAgain, "failed calling webhook", "Auto-sync is off"} {
			if err != nil && strings.Contains(err.Error(), passing) {
				return false, err.Error(), nil
			}
		}
		return err == nil, string(out), err
	})
	require.NoError(s.t, err)
}

// argocdRefused runs the argocd command line, which has to be refused for good, with
// every text in one line. It returns that line as the person sees it.
func (s *story) argocdRefused(args []string, texts ...string) string {
	s.t.Helper()
	var out []byte
	var err error
	waited := payments.Await(s.ctx, "a refusal for good", func(ctx context.Context) (bool, string, error) {
		out, err = s.Sandbox.ArgoCD().CLIAs(ctx, developer, args...)
		return err == nil || !strings.Contains(err.Error(), tryAgain), fmt.Sprint(err), nil
	})
	require.NoError(s.t, waited)
	require.Error(s.t, err, "%s", out)
	_, line, _ := strings.Cut(err.Error(), "exit status 20: ")
	require.NotEmpty(s.t, line, "%v", err)
	s.t.Logf("argocd %s\n%s", strings.Join(args, " "), line)
	var logged struct{ Msg string }
	if json.Unmarshal([]byte(line), &logged) == nil {
		line = logged.Msg
	}
	for _, text := range texts {
		require.Contains(s.t, line, text)
	}
	require.NotContains(s.t, strings.TrimSpace(line), "\n", "it is one line")
	return line
}

// patch writes to the production Application as the developer does with kubectl.
func (s *story) patch(service, patch string) error {
	s.t.Helper()
	client, err := s.Sandbox.Client(sandbox.Developer)
	require.NoError(s.t, err)
	_, err = client.Resource(argo.Applications()).Namespace(s.ApplicationNamespace()).Patch(s.ctx, s.Application("prod", service),
		types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "kubectl-patch"})
	return err
}

// mayBe waits until the newest decision on a service allows exactly one commit.
func (s *story) mayBe(service, sha string) {
	s.t.Helper()
	err := payments.Await(s.ctx, "the decision on "+service+" to allow "+sha, func(ctx context.Context) (bool, string, error) {
		entries, err := s.RecordOf(ctx, service)
		if err != nil {
			return false, "", err
		}
		saw := "no decision"
		for _, e := range entries {
			if e.Kind != "decision" {
				continue
			}
			var d struct {
				Decision struct {
					Verdict   string
					Candidate struct{ Revisions []struct{ SHA string } }
				}
			}
			if err := json.Unmarshal(e.Payload, &d); err != nil {
				return false, "", fmt.Errorf("decode entry %d: %w", e.Sequence, err)
			}
			saw = fmt.Sprintf("%+v", d.Decision)
			for _, r := range d.Decision.Candidate.Revisions {
				if d.Decision.Verdict == "allowed" && r.SHA == sha {
					saw = ""
				}
			}
		}
		return saw == "", saw, nil
	})
	require.NoError(s.t, err)
}

// admittedPayload is an intent of somebody else than gatekeeper.
type admittedPayload struct {
	ID          string
	InitiatedBy string
	Candidate   struct{ Revisions []struct{ SHA string } }
	Approvers   []struct{ Login string }
	Admitted    *struct {
		User                         string
		Partial, Rollback, Automated bool
	}
}

// admitted waits until the record has n intents of a service that were not given up, and
// returns the last, which succeeded. It has to be somebody's who asked Argo CD.
func (s *story) admitted(service string, n int, by, sha string) admittedPayload {
	s.t.Helper()
	var last admittedPayload
	err := payments.Await(s.ctx, fmt.Sprintf("the outcome of intent %d of %s", n, service), func(ctx context.Context) (bool, string, error) {
		entries, err := s.RecordOf(ctx, service)
		if err != nil {
			return false, "", err
		}
		// Who overtakes a write that was let through makes whoever wrote it ask again.
		given, result, kinds := []admittedPayload{}, "", ""
		for _, e := range entries {
			kinds += e.Kind + " "
			switch e.Kind {
			case "intent":
				given, result = append(given, decode[admittedPayload](s, e)), ""
			case "abandoned":
				given = slices.DeleteFunc(given, func(a admittedPayload) bool { return a.ID == e.Intent })
			case "outcome":
				if o := decode[outcomePayload](s, e); len(given) > 0 && o.Intent == given[len(given)-1].ID {
					result = o.Result
				}
			}
		}
		if len(given) > 0 {
			last = given[len(given)-1]
		}
		return len(given) == n && result == "succeeded", fmt.Sprintf("%s; %d intents, the last came to %q", kinds, len(given), result), nil
	})
	require.NoError(s.t, err)
	require.NotNil(s.t, last.Admitted, "%+v", last)
	require.Equal(s.t, by, last.InitiatedBy)
	for _, r := range last.Candidate.Revisions {
		require.Equal(s.t, sha, r.SHA)
	}
	return last
}

// deniedPayload is what a reader of the export sees of a refusal.
type deniedPayload struct{ Gate, User, InitiatedBy, Asked, Code, Text string }

// denied waits until a refusal with every text is on record and an event of the
// Application.
func (s *story) denied(service, user string, texts ...string) deniedPayload {
	s.t.Helper()
	all := func(text string) bool {
		for _, t := range texts {
			if !strings.Contains(text, t) {
				return false
			}
		}
		return true
	}
	var found deniedPayload
	err := payments.Await(s.ctx, fmt.Sprintf("a refusal of %s with %q", user, texts), func(ctx context.Context) (bool, string, error) {
		entries, err := s.RecordOf(ctx, service)
		if err != nil {
			return false, "", err
		}
		saw := ""
		for _, e := range entries {
			if e.Kind != "denied" {
				continue
			}
			d := decode[deniedPayload](s, e)
			saw += fmt.Sprintf("%+v; ", d)
			if strings.Contains(d.User, user) && all(d.Text) {
				found = d
				return true, "", nil
			}
		}
		return false, saw, nil
	})
	require.NoError(s.t, err)
	err = payments.Await(s.ctx, "the event of the refusal", func(ctx context.Context) (bool, string, error) {
		texts, err := s.Events(ctx, service, "GatekeeperDenied")
		return slices.ContainsFunc(texts, all), strings.Join(texts, "; "), err
	})
	require.NoError(s.t, err)
	return found
}

// personSyncs: what is approved can be synced by a person in Argo CD, by the exact
// revision and by the branch, with one source and with several. It is recorded with the
// person before it happens, and gatekeeper does not sync it once more. Gatekeeper would
// be faster than the person, so Argo CD does not answer it meanwhile.
func personSyncs(t *testing.T, s *story) {
	s.run()
	deployed := map[string]int{payments.Ledger: 1, payments.Payments: 1}
	for i, plain := range []string{payments.Payments, payments.Ledger} {
		limit := strconv.Itoa(2000 + 1000*i)
		s.CutArgoCD(true)
		s.approved(payments.Ledger, limit)
		pull := s.propose(payments.Alice, payments.Payments, limit)
		s.approve(payments.Bob, pull.Number)
		s.approve(payments.Carol, pull.Number)
		head := s.merge(pull.Number, "merge")
		for _, service := range []string{payments.Ledger, payments.Payments} {
			s.mayBe(service, head)
			args := []string{"app", "sync", s.Application("prod", service), "--async"}
			switch service {
			case plain:
			case payments.Payments:
				args = append(args, "--revisions", head, "--source-positions", "1", "--revisions", head, "--source-positions", "2")
			default:
				args = append(args, "--revision", head)
			}
			s.argocdAgain(args...)
			deployed[service]++
			live := s.runs(service, head, limit, deployed[service])
			require.Equal(t, developer, live.InitiatedBy)
			intent := s.admitted(service, deployed[service]-1, developer, head)
			require.Equal(t, "system:serviceaccount:argocd:argocd-server", intent.Admitted.User)
			require.False(t, intent.Admitted.Rollback || intent.Admitted.Partial || intent.Admitted.Automated, "%+v", intent.Admitted)
		}
		s.CutArgoCD(false)
		s.says(pull.Number, "synced")
	}
	// The same once more, by kubectl, with nothing new: that is fine as well, and the last
	// thing that happens.
	head, err := s.Live(s.ctx, "prod", payments.Ledger)
	require.NoError(t, err)
	require.NoError(t, s.patch(payments.Ledger, `{"operation":{"sync":{"revision":"`+head.Revisions[0]+`"}},"status":{"operationState":null}}`))
	s.admitted(payments.Ledger, 3, "developer@sandbox", head.Revisions[0])
	s.runs(payments.Ledger, head.Revisions[0], "3000", 4)
	s.stays(payments.Payments, head.Revisions[0], "3000", 3)
	s.carried(payments.Payments, 2)
}

// personRefused: what is not approved is refused by the API server, in one line that
// says what is missing; the refusal is on record and an event of the Application.
func personRefused(t *testing.T, s *story) {
	s.run()
	pull := s.propose(payments.Alice, payments.Ledger, "9000")
	s.approve(payments.Bob, pull.Number)
	sha := s.merge(pull.Number, "merge")
	s.verdict(payments.Ledger, "blocked", "quorum.missing")
	s.verdict(payments.Payments, "blocked", "quorum.missing")
	reasons := []string{"gate prod: " + sha[:7] + " is not approved", "#" + strconv.Itoa(pull.Number), "1 more of acme/sre"}
	for _, args := range [][]string{
		{"app", "sync", s.Application("prod", payments.Ledger)},
		{"app", "sync", s.Application("prod", payments.Ledger), "--revision", sha},
		{"app", "sync", s.Application("prod", payments.Payments)},
		{"app", "sync", s.Application("prod", payments.Payments), "--revisions", sha, "--source-positions", "1", "--revisions", sha, "--source-positions", "2"},
	} {
		s.argocdRefused(args, append(reasons, "PermissionDenied")...)
	}
	s.argocdRefused([]string{"app", "sync", s.Application("prod", payments.Ledger), "--revision", pull.Head}, "gate prod: "+pull.Head[:7]+" is not approved")
	err := s.patch(payments.Ledger, `{"operation":{"sync":{"revision":"`+sha+`"}},"status":{"operationState":null}}`)
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	t.Logf("kubectl patch\n%v", err)
	for _, reason := range reasons {
		require.ErrorContains(t, err, reason)
	}

	denial := s.denied(payments.Ledger, "argocd-server", reasons...)
	require.Equal(t, "prod", denial.Gate)
	require.Equal(t, developer, denial.InitiatedBy)
	require.Equal(t, "quorum.missing", denial.Code)
	require.Contains(t, denial.Asked, sha[:7])
	s.denied(payments.Ledger, "developer@sandbox", reasons...)
	s.denied(payments.Payments, "argocd-server", reasons...)
	for _, service := range []string{payments.Ledger, payments.Payments} {
		s.untouched(service)
		s.recorded(service, "intent", 0)
	}
}

// deploymentID is Argo CD's number of the newest deployment of a revision.
func (s *story) deploymentID(service, sha string) string {
	s.t.Helper()
	l, err := s.Live(s.ctx, "prod", service)
	require.NoError(s.t, err)
	status, _ := l.Object.Object["status"].(map[string]any)
	history, _ := status["history"].([]any)
	id := ""
	for _, h := range history {
		if entry, _ := h.(map[string]any); entry["revision"] == sha {
			id = fmt.Sprint(entry["id"])
		}
	}
	require.NotEmpty(s.t, id, "%s is not in the history", sha)
	return id
}

// backInArgoCD: Argo CD's own rollback goes to what was deployed before, and the hold
// that comes with it keeps the gate from going forward at once.
func backInArgoCD(t *testing.T, s *story) {
	gatekeeper := s.run()
	name := s.Application("prod", payments.Ledger)
	first := s.approved(payments.Ledger, "2000")
	s.runs(payments.Ledger, first, "2000", 2)
	second := s.approved(payments.Ledger, "3000")
	s.runs(payments.Ledger, second, "3000", 3)
	s.recorded(payments.Ledger, "outcome", 2)

	s.argocd("app", "rollback", name, s.deploymentID(payments.Ledger, first))
	live := s.runs(payments.Ledger, first, "2000", 4)
	require.Equal(t, developer, live.InitiatedBy)
	require.True(t, s.admitted(payments.Ledger, 3, developer, first).Admitted.Rollback)
	s.finds(payments.Ledger, "hold.active", developer+" holds argocd/"+name, "rolled back to "+first[:7]+" in Argo CD", "gatekeeper release ")

	// Nothing goes forward: neither what was there, nor something newer.
	third := s.approved(payments.Ledger, "4000")
	s.finds(payments.Ledger, "hold.active")
	s.finds(payments.Ledger, "landing.approved", "is approved by")
	s.stays(payments.Ledger, first, "2000", 4)
	s.argocdRefused([]string{"app", "sync", name, "--revision", third}, "gate prod: "+developer+" holds argocd/"+name)
	s.stays(payments.Ledger, first, "2000", 4)
	s.order(payments.Carol, "over", "release", "argocd/"+name)
	s.runs(payments.Ledger, third, "4000", 5)
	s.recorded(payments.Ledger, "outcome", 4)

	// Unless the gate says that nobody goes back.
	require.NoError(t, gatekeeper.Stop(s.ctx))
	require.NoError(t, s.ConfigureGate("    sync: {rollback: refuse}\n"))
	s.run()
	s.argocdRefused([]string{"app", "rollback", name, s.deploymentID(payments.Ledger, second)}, "gate prod does not permit going back to "+second[:7])
	s.denied(payments.Ledger, "argocd-server", second[:7])
	s.stays(payments.Ledger, third, "4000", 5)
}

// blockingHook is a hook that never ends, so that a sync goes on until it is terminated.
const blockingHook = `apiVersion: v1
kind: Pod
metadata:
  name: blocking
  annotations:
    argocd.argoproj.io/hook: PreSync
    argocd.argoproj.io/hook-delete-policy: BeforeHookCreation
spec:
  restartPolicy: Never
  containers:
    - name: blocking
      image: registry.example.com/tools/migrate:broken
`

// alwaysWorks: what deploys nothing is never in the gate's way.
func alwaysWorks(t *testing.T, s *story) {
	s.run()
	name := s.Application("prod", payments.Ledger)
	pull := s.propose(payments.Alice, payments.Ledger, "9000")
	sha := s.merge(pull.Number, "merge")
	s.verdict(payments.Ledger, "blocked", "quorum.missing")

	s.argocd("app", "get", name, "--refresh")
	s.argocd("app", "get", name, "--hard-refresh")
	require.Contains(t, s.argocd("app", "manifests", name, "--source", "live"), `"1000"`)
	require.Regexp(t, `value: "?9000`, s.argocd("app", "manifests", name, "--source", "git"))
	out, err := s.Sandbox.ArgoCD().CLIAs(s.ctx, developer, "app", "diff", name)
	require.ErrorContains(t, err, "exit status 1", "it says that there is a difference")
	require.Contains(t, string(out), "9000")
	s.argocd("app", "sync", name, "--dry-run", "--revision", sha)
	s.argocd("app", "sync", name, "--dry-run")
	live, err := s.Live(s.ctx, "prod", payments.Ledger)
	require.NoError(t, err)
	require.Equal(t, payments.FirstLimit, live.Limit)
	require.Len(t, live.History, 1)
	s.recorded(payments.Ledger, "denied", 0)
	s.recorded(payments.Ledger, "intent", 0)

	// A sync that does not end is terminated. What is approved with it is synced after
	// the hook was taken away.
	s.approve(payments.Bob, pull.Number)
	s.approve(payments.Carol, pull.Number)
	s.runs(payments.Ledger, sha, "9000", 2)
	hook, err := s.ProposeFile(payments.Alice, "charts/service/templates/hook.yaml", blockingHook, "Migrate first")
	require.NoError(t, err)
	s.approve(payments.Bob, hook.Number)
	s.approve(payments.Carol, hook.Number)
	s.merge(hook.Number, "merge")
	s.phase(payments.Ledger, "Running")
	s.terminate(payments.Ledger)
	s.recorded(payments.Ledger, "denied", 0)
}

// phase waits until the last operation of a service is in a phase.
func (s *story) phase(service, phase string) {
	s.t.Helper()
	err := payments.Await(s.ctx, "the operation of "+service+" to be "+phase, func(ctx context.Context) (bool, string, error) {
		l, err := s.Live(ctx, "prod", service)
		return l.Phase == phase, l.String(), err
	})
	require.NoError(s.t, err)
}

// terminate ends the operation under way with the argocd command line. Argo CD gives up
// after ten conflicts with its controller (up to 2.14 after the first, since what it reads
// again is not what it writes: server/application/application.go, TerminateOperation),
// which may also write over what was asked for. A person tries again.
func (s *story) terminate(service string) {
	s.t.Helper()
	err := payments.Await(s.ctx, "the termination", func(ctx context.Context) (bool, string, error) {
		l, err := s.Live(ctx, "prod", service)
		if err != nil {
			return false, "", err
		}
		if l.Phase == "Running" {
			_, err = s.Sandbox.ArgoCD().CLIAs(ctx, developer, "app", "terminate-op", s.Key("prod", service))
		}
		if err != nil && (strings.Contains(err.Error(), "Too many conflicts") || strings.Contains(err.Error(), "No operation is in progress")) {
			return false, err.Error(), nil
		}
		return l.Phase == "Failed", l.String(), err
	})
	require.NoError(s.t, err)
}

// autoSync: nobody turns on automatic syncs, unless the gate lets them; then each of
// them is judged as any other.
func autoSync(t *testing.T, s *story) {
	gatekeeper := s.run()
	name := s.Application("prod", payments.Ledger)
	const off = "Auto-sync is off for protected Applications"
	s.argocdRefused([]string{"app", "set", name, "--sync-policy", "automated"}, off)
	err := s.patch(payments.Ledger, `{"spec":{"syncPolicy":{"automated":{"selfHeal":true}}}}`)
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	require.ErrorContains(t, err, off)
	t.Logf("kubectl patch\n%v", err)

	require.NoError(t, gatekeeper.Stop(s.ctx))
	require.NoError(t, s.ConfigureGate("    sync: {gatedAutoSync: true}\n"))
	s.run()
	s.CutArgoCD(true) // Argo CD is to be the one that syncs
	s.argocdAgain("app", "set", name, "--sync-policy", "automated")
	pull := s.propose(payments.Alice, payments.Ledger, "2000")
	sha := s.merge(pull.Number, "merge")
	s.denied(payments.Ledger, "argocd-application-controller", "gate prod: "+sha[:7]+" is not approved", "2 more of acme/sre")
	s.untouched(payments.Ledger)
	s.approve(payments.Bob, pull.Number)
	s.approve(payments.Carol, pull.Number)
	s.runs(payments.Ledger, sha, "2000", 2)
	intent := s.admitted(payments.Ledger, 1, "automated sync policy", sha)
	require.True(t, intent.Admitted.Automated)
	require.Equal(t, "system:serviceaccount:argocd:argocd-application-controller", intent.Admitted.User)
	s.CutArgoCD(false)
	s.says(pull.Number, "synced")
	s.stays(payments.Ledger, sha, "2000", 2)
}

// stopped: without gatekeeper nothing is deployed, and Argo CD goes on telling what it
// sees.
func stopped(t *testing.T, s *story) {
	gatekeeper := s.run()
	name := s.Application("prod", payments.Ledger)
	s.CutArgoCD(true)
	sha := s.approved(payments.Ledger, "2000")
	s.mayBe(payments.Ledger, sha)
	require.NoError(t, gatekeeper.Stop(s.ctx))

	for _, revision := range []string{sha, s.Enrolled} {
		s.argocdRefused([]string{"app", "sync", name, "--revision", revision}, "failed calling webhook", "gk-stopped.argo-gatekeeper.io")
	}
	require.Error(t, s.patch(payments.Ledger, `{"operation":{"sync":{"revision":"`+sha+`"}},"status":{"operationState":null}}`))
	for _, kind := range []string{"--refresh", "--hard-refresh"} {
		s.argocd("app", "get", name, kind)
	}
	err := payments.Await(s.ctx, "Argo CD to see the new commit", func(ctx context.Context) (bool, string, error) {
		l, err := s.Live(ctx, "prod", payments.Ledger)
		if err != nil {
			return false, "", err
		}
		status, _ := l.Object.Object["status"].(map[string]any)
		compared, _ := status["sync"].(map[string]any)
		return compared["revision"] == sha && compared["status"] == "OutOfSync", fmt.Sprint(compared["status"], " ", compared["revision"]), nil
	})
	require.NoError(t, err)
	require.Regexp(t, `value: "?2000`, s.argocd("app", "manifests", name, "--source", "git"))
	s.untouched(payments.Ledger)

	s.run()
	s.mayBe(payments.Ledger, sha)
	s.argocdAgain("app", "sync", name, "--revision", sha, "--async")
	s.runs(payments.Ledger, sha, "2000", 2)
	s.admitted(payments.Ledger, 1, developer, sha)
}
