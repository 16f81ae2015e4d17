package argolink_test

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	kubetesting "k8s.io/client-go/testing"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/argolink"
)

func TestNoticeOf(t *testing.T) {
	t.Parallel()
	quorum := approval.Finding{Code: approval.CodeQuorumMissing, Verdict: approval.Blocked, Pull: 2, Text: `#2 "Bump": waiting for 1 more of acme/sre`, Remedy: "carol can still approve #2"}
	sums := approval.Finding{Code: approval.CodeLandingWaiting, Verdict: approval.Blocked, Text: "1 newer landing must wait"}
	held := approval.Finding{Code: approval.CodeHoldActive, Verdict: approval.Blocked, Text: "alice holds gate prod: incident"}
	fine := approval.Finding{Code: approval.CodeLineUpToDate, Verdict: approval.Allowed, Text: "nothing after the baseline"}
	pull := "https://github.example.com/acme/env/pull/2"
	for _, test := range []struct {
		name     string
		verdict  approval.Verdict
		findings []approval.Finding
		want     argolink.Notice
		leaves   bool
	}{
		{name: "nothing waits", verdict: approval.Allowed, findings: []approval.Finding{fine}},
		{name: "a quorum", verdict: approval.Blocked, findings: []approval.Finding{quorum, sums},
			want: argolink.Notice{Content: `Gatekeeper, gate prod: #2 "Bump": waiting for 1 more of acme/sre. To clear it: carol can still approve #2`, Severity: argolink.Info, URL: pull}},
		{name: "what waits behind what is allowed", verdict: approval.Allowed, findings: []approval.Finding{fine, quorum},
			want: argolink.Notice{Content: `Gatekeeper, gate prod: #2 "Bump": waiting for 1 more of acme/sre. To clear it: carol can still approve #2`, Severity: argolink.Info, URL: pull}},
		{name: "a hold and more", verdict: approval.Blocked, findings: []approval.Finding{held, quorum, sums},
			want: argolink.Notice{Content: "Gatekeeper, gate prod: alice holds gate prod: incident (and 1 more)", Severity: argolink.Warning}},
		{name: "past the gate", verdict: approval.Allowed, findings: []approval.Finding{{Code: approval.CodeSyncUngated, Verdict: approval.Allowed, Text: "synced past the gate"}},
			want: argolink.Notice{Content: "Gatekeeper, gate prod: synced past the gate", Severity: argolink.Critical}},
		{name: "a direct push", verdict: approval.Blocked, findings: []approval.Finding{{Code: approval.CodeLandingDirect, Verdict: approval.Blocked, Text: "pushed"}},
			want: argolink.Notice{Content: "Gatekeeper, gate prod: pushed", Severity: argolink.Critical}},
		{name: "a word is waited for", verdict: approval.Allowed, findings: []approval.Finding{{Code: approval.CodeSyncWaits, Verdict: approval.Allowed, Text: "approved; waits", Remedy: "write /gk sync"}, fine},
			want: argolink.Notice{Content: "Gatekeeper, gate prod: approved; waits. To clear it: write /gk sync", Severity: argolink.Info}},
		{name: "facts are missing", verdict: approval.Unknown, findings: []approval.Finding{{Code: approval.CodeFactsMissing, Verdict: approval.Unknown, Text: "GitHub is down"}, held}, leaves: true},
		{name: "it is not said why", verdict: approval.Blocked, leaves: true},
		{name: "the zero decision", leaves: true},
		{name: "what shows something else", verdict: approval.Blocked, findings: []approval.Finding{{Code: approval.CodeLandingProof, Verdict: approval.Unknown, Text: "a\u202eb\nc\xff"}},
			want: argolink.Notice{Content: "Gatekeeper, gate prod: ab c\ufffd", Severity: argolink.Warning}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := approval.Decision{Gate: "prod", Verdict: test.verdict, Findings: test.findings,
				Lines: []approval.LineDecision{{Repository: "acme/env", Landings: []approval.LandingDecision{landing(1, approval.Allowed), landing(2, approval.Blocked)}}}}
			if test.name == "the zero decision" {
				d = approval.Decision{}
			}
			got, ok := argolink.NoticeOf(d, "https://github.example.com/")
			require.Equal(t, !test.leaves, ok)
			require.Equal(t, test.want, got)
		})
	}
}

// TestNoticeFits: Argo CD cuts a notice at 500 UTF-16 code units, so it is cut before that, and
// how much more there is is never cut off.
func TestNoticeFits(t *testing.T) {
	t.Parallel()
	for _, text := range []string{strings.Repeat("x", 450), strings.Repeat("x", 477), strings.Repeat("x", 478), strings.Repeat("🚢", 600)} {
		f := approval.Finding{Code: approval.CodeQuorumMissing, Verdict: approval.Blocked, Text: text}
		for n := range 3 {
			d := approval.Decision{Gate: "prod", Verdict: approval.Blocked, Findings: []approval.Finding{f, f, f}[:n+1]}
			got, ok := argolink.NoticeOf(d, "https://github.example.com")
			require.True(t, ok)
			require.LessOrEqual(t, len(utf16.Encode([]rune(got.Content))), 500)
			require.Equal(t, n > 0, strings.HasSuffix(got.Content, " more)"))
			whole := len(utf16.Encode([]rune("Gatekeeper, gate prod: "+text))) <= 500 && n == 0
			require.Equal(t, !whole && len(text) > 450, strings.Contains(got.Content, "…"), got.Content)
		}
	}
}

var notice = &argolink.Notice{Content: "Gatekeeper: waits", Severity: argolink.Info, URL: "https://github.example.com/acme/env/pull/2"} //nolint:gochecknoglobals // of all tests

func annotations(t *testing.T, client *fake.FakeDynamicClient) map[string]string {
	t.Helper()
	object, err := client.Resource(argo.Applications()).Namespace("argocd").Get(t.Context(), "ledger", metav1.GetOptions{})
	require.NoError(t, err)
	return object.GetAnnotations()
}

// TestWriteNotice: one patch brings a notice and a link, one changes it, one takes it away, and
// none is written when nothing changes.
func TestWriteNotice(t *testing.T) {
	t.Parallel()
	client, patches := cluster(t, "")
	put := func(n *argolink.Notice) bool {
		written, err := argolink.New(client).Write(t.Context(), "argocd", "ledger", "u1", argolink.Shown{Link: link, Notice: n})
		require.NoError(t, err)
		return written
	}
	require.True(t, put(notice))
	require.False(t, put(notice))
	require.False(t, put(nil), "it stays")
	have := annotations(t, client)
	require.Equal(t, []string{notice.Content, "info", notice.URL, "stays"},
		[]string{have[argolink.NoticeContent], have[argolink.NoticeSeverity], have[argolink.NoticeURL], have["other"]})
	require.NotEmpty(t, have[argolink.Annotation])

	require.True(t, put(&argolink.Notice{Content: "Gatekeeper: held", Severity: argolink.Warning}))
	have = annotations(t, client)
	require.Equal(t, []string{"Gatekeeper: held", "warning"}, []string{have[argolink.NoticeContent], have[argolink.NoticeSeverity]})
	require.NotContains(t, have, argolink.NoticeURL)

	require.True(t, put(&argolink.Notice{}))
	require.False(t, put(&argolink.Notice{}))
	have = annotations(t, client)
	require.Len(t, have, 2, "%v", have)
	require.Len(t, *patches, 3)
}

// TestWriteNoticeOfOthers: a notice of somebody else stays, and ours that somebody changed.
func TestWriteNoticeOfOthers(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"somebody else's":            `{"metadata": {"annotations": {"notice.argocd.argoproj.io/content": "Maintenance on Sunday"}}}`,
		"with a mark of another one": `{"metadata": {"annotations": {"notice.argocd.argoproj.io/content": "Maintenance on Sunday", "argo-gatekeeper.io/notice": "0123"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			client, patches := cluster(t, change)
			for _, n := range []*argolink.Notice{notice, {}} {
				written, err := argolink.New(client).Write(t.Context(), "argocd", "ledger", "u1", argolink.Shown{Notice: n})
				require.NoError(t, err)
				require.False(t, written)
			}
			require.Empty(t, *patches)
		})
	}
	t.Run("ours that somebody changed", func(t *testing.T) {
		client, _ := cluster(t, "")
		w := argolink.New(client)
		_, err := w.Write(t.Context(), "argocd", "ledger", "u1", argolink.Shown{Notice: notice})
		require.NoError(t, err)
		edit := func(patch string) {
			_, err := client.Resource(argo.Applications()).Namespace("argocd").Patch(t.Context(), "ledger", "application/merge-patch+json", []byte(patch), metav1.PatchOptions{})
			require.NoError(t, err)
		}
		edit(`{"metadata": {"annotations": {"notice.argocd.argoproj.io/content": "Ask Alice first", "notice.argocd.argoproj.io/icon": "fa-bell"}}}`)
		written, err := w.Write(t.Context(), "argocd", "ledger", "u1", argolink.Shown{Notice: notice})
		require.NoError(t, err)
		require.False(t, written)
		edit(`{"metadata": {"annotations": {"notice.argocd.argoproj.io/content": null}}}`)
		written, err = w.Write(t.Context(), "argocd", "ledger", "u1", argolink.Shown{Notice: notice})
		require.NoError(t, err)
		require.True(t, written, "nobody's")
		require.Equal(t, "fa-bell", annotations(t, client)["notice.argocd.argoproj.io/icon"])
	})
}

// TestNoticeIsNotAFact: a notice changes nothing that a decision, a digest or a wake-up rests on.
func TestNoticeIsNotAFact(t *testing.T) {
	t.Parallel()
	client, _ := cluster(t, "")
	parser, err := argo.NewParser([]string{"github.com"})
	require.NoError(t, err)
	read := func() approval.Application {
		object, err := client.Resource(argo.Applications()).Namespace("argocd").Get(t.Context(), "ledger", metav1.GetOptions{})
		require.NoError(t, err)
		return parser.Application(object.Object)
	}
	before := read()
	written, err := argolink.New(client).Write(t.Context(), "argocd", "ledger", "u1", argolink.Shown{Notice: notice})
	require.NoError(t, err)
	require.True(t, written)
	require.False(t, argo.Differ(before, read()))
	require.Equal(t, before.SpecDigest, read().SpecDigest)
}

// TestApplicationSets: an Application of an ApplicationSet gets what that preserves, a notice
// whole or not at all.
func TestApplicationSets(t *testing.T) {
	t.Parallel()
	const whole = `"notice.argocd.argoproj.io/content", "notice.argocd.argoproj.io/severity", "notice.argocd.argoproj.io/url", "argo-gatekeeper.io/notice"`
	for _, test := range []struct {
		name, preserved string
		link, notice    bool
	}{
		{name: "nothing"},
		{name: "something else", preserved: `"other"`},
		{name: "the link", preserved: `"link.argocd.argoproj.io/gatekeeper"`, link: true},
		{name: "the notice", preserved: whole, notice: true},
		{name: "a part of the notice", preserved: `"notice.argocd.argoproj.io/content"`},
		{name: "by another name", preserved: `"notice.argocd.argoproj.io/*"`},
		{name: "both", preserved: whole + `, "link.argocd.argoproj.io/gatekeeper"`, link: true, notice: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, patches := cluster(t, ownedBySet)
			preserve(t, client, test.preserved)
			written, err := argolink.New(client).Write(t.Context(), "argocd", "ledger", "u1", argolink.Shown{Link: link, Notice: notice})
			require.NoError(t, err)
			require.Equal(t, test.link || test.notice, written)
			have := annotations(t, client)
			require.Equal(t, test.link, have[argolink.Annotation] != "")
			require.Equal(t, test.notice, have[argolink.NoticeContent]+have[argolink.NoticeMark] != "")
			if !written {
				require.Empty(t, *patches)
			}
		})
	}
	t.Run("it may not be read", func(t *testing.T) {
		client, patches := cluster(t, ownedBySet)
		client.PrependReactor("get", "applicationsets", func(kubetesting.Action) (bool, runtime.Object, error) {
			return true, nil, &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden}}
		})
		_, err := argolink.New(client).Write(t.Context(), "argocd", "ledger", "u1", argolink.Shown{Notice: notice})
		require.ErrorIs(t, err, argolink.ErrSetUnread)
		require.Empty(t, *patches)
	})
	t.Run("it cannot be understood", func(t *testing.T) {
		client, patches := cluster(t, ownedBySet)
		preserve(t, client, `7`)
		_, err := argolink.New(client).Write(t.Context(), "argocd", "ledger", "u1", argolink.Shown{Notice: notice})
		require.Error(t, err)
		require.Empty(t, *patches)
	})
}

const ownedBySet = `{"metadata": {"ownerReferences": [{"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "name": "all", "uid": "s"}]}}`

// preserve makes the ApplicationSet, which preserves annotations.
func preserve(t *testing.T, client *fake.FakeDynamicClient, annotations string) {
	t.Helper()
	var set unstructured.Unstructured
	require.NoError(t, set.UnmarshalJSON([]byte(`{"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "metadata": {"namespace": "argocd", "name": "all"},
		"spec": {"preservedFields": {"annotations": [`+annotations+`]}}}`)))
	_, err := client.Resource(schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applicationsets"}).Namespace("argocd").Create(t.Context(), &set, metav1.CreateOptions{})
	require.NoError(t, err)
}
