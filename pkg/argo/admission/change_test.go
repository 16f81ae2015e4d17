package admission_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/admission"
)

func read(t testing.TB, user string, old, new map[string]any) admission.Change {
	t.Helper()
	change, err := admission.Read(parser(t), write(t, user, old, new))
	require.NoError(t, err)
	return change
}

func TestReadSync(t *testing.T) {
	old := example(t, "helm-2.14")
	change := read(t, server, old, merged(t, old, sync214))
	require.Equal(t, admission.Update, change.Verb)
	require.Equal(t, server, change.User)
	require.Equal(t, []string{"system:authenticated"}, change.Groups)
	require.False(t, change.SpecChanged || change.Ended || change.AutoSyncEnabled || change.DryRun)
	require.Empty(t, change.Annotations)
	d := change.Started
	require.NotNil(t, d)
	require.Equal(t, approval.Candidate{
		UID: change.Before.UID, SpecDigest: change.Before.SpecDigest,
		Revisions: []approval.Revision{{Repository: "acme/deploy", SHA: commit}},
	}, d.Candidate)
	require.Equal(t, []string{commit}, d.Revisions)
	require.Empty(t, d.Unclear)
	require.Equal(t, "dave", d.InitiatedBy)
	require.True(t, d.Prune)
	require.Equal(t, "hook", d.Strategy)
	require.False(t, d.OwnSources || d.Automated || d.DryRun || d.Partial || d.Force)
	require.Equal(t, []string{"-CreateNamespace=true"}, d.SyncOptions)
}

// TestEffectiveSpec: the digest is that of what would be deployed.
func TestEffectiveSpec(t *testing.T) {
	old := example(t, "helm-2.14")
	own := argo.ContentOf(old).Sources[0]
	same := merged(t, old, op(`{"revision": "`+commit+`"}`))
	same["operation"] = map[string]any{"sync": map[string]any{"revision": commit, "source": own}}
	digest := argo.Digest(old)
	require.Equal(t, digest, read(t, server, old, same).Started.Candidate.SpecDigest, "the spec's own source, as Gatekeeper and 3.2 send it")
	require.True(t, read(t, server, old, same).Started.OwnSources)

	for name, sync := range map[string]string{
		"another path":         `{"revision": "` + commit + `", "source": {"repoURL": "https://github.com/acme/deploy.git", "path": "evil", "targetRevision": "main"}}`,
		"other values":         `{"revision": "` + commit + `", "source": {"repoURL": "https://github.com/acme/deploy.git", "path": "charts/shop", "targetRevision": "main", "helm": {"values": "a: b"}}}`,
		"several sources":      `{"revisions": ["` + commit + `", "` + commit + `"], "sources": ` + twoSources + `}`,
		"sources beat source":  `{"revisions": ["` + commit + `", "` + commit + `"], "source": {"repoURL": ""}, "sources": ` + twoSources + `}`,
		"an unknown field too": `{"revision": "` + commit + `", "source": {"repoURL": "https://github.com/acme/deploy.git", "path": "charts/shop", "targetRevision": "main", "next": true}}`,
	} {
		d := read(t, server, old, merged(t, old, op(sync))).Started
		require.NotEqual(t, digest, d.Candidate.SpecDigest, name)
		require.Equal(t, name == "an unknown field too", len(d.Unclear) > 0, name)
	}
	d := read(t, server, old, merged(t, old, op(`{"revisions": ["`+commit+`", "`+commit+`"], "source": {"repoURL": ""}, "sources": `+twoSources+`}`))).Started
	require.Equal(t, []approval.Revision{{Repository: "acme/charts", SHA: commit}, {Repository: "acme/env-overrides", SHA: commit}}, d.Candidate.Revisions)
	require.Len(t, d.Sources, 2)
}

func TestReadMore(t *testing.T) {
	old := example(t, "helm-2.14")
	run := func(patch string) admission.Change { return read(t, developer, old, merged(t, old, patch)) }

	d := run(op(`{"revision": "`+commit+`", "dryRun": true, "resources": [{"kind": "ConfigMap", "name": "a"}], "syncOptions": ["CreateNamespace=true", "Replace=true"],
		"syncStrategy": {"apply": {"force": true}, "hook": {}}}`, `"initiatedBy": {"automated": true}`, `"info": [{"name": "gatekeeper-intent", "value": "int-9"}]`)).Started
	require.True(t, d.DryRun && d.Partial && d.Force && d.Automated)
	require.Equal(t, "apply", d.Strategy)
	require.Equal(t, "int-9", d.Intent)
	require.Equal(t, []string{"Replace=true"}, d.SyncOptions)

	for name, sync := range map[string]string{
		"a branch":      `{"revision": "main"}`,
		"no revision":   `{}`,
		"too many":      `{"revisions": ["` + commit + `"], "sources": ` + twoSources + `}`,
		"another host":  `{"revision": "` + commit + `", "source": {"repoURL": "https://git.example/acme/deploy", "path": "x"}}`,
		"a chart":       `{"revision": "1.2.3", "source": {"repoURL": "https://charts.example", "chart": "shop"}}`,
		"an empty list": `{"revision": "` + commit + `", "source": {"repoURL": ""}}`,
	} {
		d := run(op(sync)).Started
		require.NotEmpty(t, d.Unclear, name)
		require.Nil(t, d.Candidate.Revisions, name)
	}
	require.NotEmpty(t, run(`{"status": {"operationState": null}, "operation": {"info": []}}`).Started.Unclear)

	require.True(t, run(`{"spec": {"source": {"path": "x"}}}`).SpecChanged)
	require.False(t, run(`{"spec": {"info": [{"name": "a", "value": "b"}]}}`).SpecChanged)
	require.True(t, run(`{"spec": {"syncPolicy": {"automated": {}}}}`).AutoSyncEnabled)
	require.False(t, run(`{"spec": {"syncPolicy": {"automated": {"enabled": false}}}}`).AutoSyncEnabled)
	require.Equal(t, []string{"argocd.argoproj.io/deletion-approved"}, run(`{"metadata": {"annotations": {"argocd.argoproj.io/deletion-approved": "now"}}}`).Annotations)
	require.Equal(t, []string{"argocd.argoproj.io/manifest-generate-paths"}, run(`{"metadata": {"annotations": null}}`).Annotations)

	busy := merged(t, old, running)
	require.True(t, read(t, controller, busy, merged(t, busy, `{"operation": null}`)).Ended)
	require.Nil(t, read(t, controller, busy, merged(t, busy, `{"operation": {"sync": {"prune": true}}}`)).Started)

	created := read(t, developer, nil, object(t, newApplication))
	require.Equal(t, admission.Create, created.Verb)
	require.Nil(t, created.Before)
	require.True(t, created.SpecChanged)
	deleted := read(t, developer, old, nil)
	require.Equal(t, admission.Delete, deleted.Verb)
	require.Nil(t, deleted.After)
	require.False(t, deleted.SpecChanged)

	request := write(t, developer, old, nil)
	request.DryRun = new(true)
	change, err := admission.Read(parser(t), request)
	require.NoError(t, err)
	require.True(t, change.DryRun)
}

// TestFactsAreWhole: what is left out when a request is decoded makes no difference to
// the facts.
func TestFactsAreWhole(t *testing.T) {
	for _, name := range []string{"helm-2.14", "chart-2.14", "hydrator-3.2", "kustomize-failed-3.2", "multi-3.2"} {
		request := write(t, developer, example(t, name), nil)
		whole, err := parser(t).Decode(request.OldObject.Raw)
		require.NoError(t, err)
		change, err := admission.Read(parser(t), request)
		require.NoError(t, err)
		require.Equal(t, whole, *change.Before)
	}
}

func TestUnreadableRequests(t *testing.T) {
	e := evaluator(t, prodSettings)
	some := raw(t, example(t, "helm-2.14"))
	user := authenticationv1.UserInfo{Username: developer}
	for name, request := range map[string]*admissionv1.AdmissionRequest{
		"nothing":                nil,
		"no verb":                {UserInfo: user, Object: some},
		"connect":                {UserInfo: user, Operation: admissionv1.Connect, Object: some},
		"update without old":     {UserInfo: user, Operation: admissionv1.Update, Object: some},
		"update without new":     {UserInfo: user, Operation: admissionv1.Update, OldObject: some},
		"create with old":        {UserInfo: user, Operation: admissionv1.Create, Object: some, OldObject: some},
		"delete with new":        {UserInfo: user, Operation: admissionv1.Delete, Object: some, OldObject: some},
		"delete of nothing":      {UserInfo: user, Operation: admissionv1.Delete, OldObject: runtime.RawExtension{Raw: []byte("null")}},
		"cut off":                {UserInfo: user, Operation: admissionv1.Create, Object: runtime.RawExtension{Raw: some.Raw[:100]}},
		"not an object":          {UserInfo: user, Operation: admissionv1.Create, Object: runtime.RawExtension{Raw: []byte(`[]`)}},
		"a status without shape": {UserInfo: user, Operation: admissionv1.Create, Object: runtime.RawExtension{Raw: []byte(`{"status": 1}`)}},
	} {
		_, err := e.Relevant(t.Context(), request)
		require.Error(t, err, name)
		_, err = e.Check(t.Context(), request)
		require.Error(t, err, name)
		_, err = admission.Read(parser(t), request)
		require.Error(t, err, name)
		_, err = e.Examine(t.Context(), parser(t), request)
		require.Error(t, err, name)
	}
	// Nobody sends a request without a user; it could be the controller's.
	request := write(t, "", example(t, "helm-2.14"), example(t, "helm-2.14"))
	_, err := e.Relevant(t.Context(), request)
	require.Error(t, err)
	require.Equal(t, []string{"unreadable"}, broken(t, e, request))
	// What cannot be evaluated is refused.
	odd := example(t, "helm-2.14")
	require.NotEmpty(t, broken(t, e, write(t, developer, odd, merged(t, odd, `{"status": {"operationState": null}, "operation": {"sync": {"revision": 1}}}`))))
	require.NotEmpty(t, broken(t, e, write(t, developer, odd, merged(t, odd, `{"status": {"history": "none"}}`))))
}

func FuzzExamine(f *testing.F) {
	e, err := admission.NewEvaluator(prodSettings)
	require.NoError(f, err)
	p := parser(f)
	for _, a := range attacks() {
		request := a.request(f)
		f.Add(string(request.Operation), a.user, request.OldObject.Raw, request.Object.Raw)
	}
	f.Fuzz(func(t *testing.T, verb, user string, old, new []byte) {
		request := &admissionv1.AdmissionRequest{
			Operation: admissionv1.Operation(verb), UserInfo: authenticationv1.UserInfo{Username: user},
			OldObject: runtime.RawExtension{Raw: old}, Object: runtime.RawExtension{Raw: new},
		}
		denials, err := e.Check(t.Context(), request)
		change, readErr := admission.Read(p, request)
		require.Equal(t, err == nil, readErr == nil, "what cannot be checked cannot be read")
		if err != nil {
			return
		}
		// What passes names exact revisions, one for each source.
		if d := change.Started; d != nil && len(denials) == 0 && change.Verb == admission.Update {
			require.NotEmpty(t, d.Revisions)
			require.Len(t, d.Revisions, len(d.Sources))
			for i, source := range d.Sources {
				if source.Kind == approval.SourceGit {
					_, err := approval.ParseSHA(d.Revisions[i])
					require.NoError(t, err)
				}
			}
		}
		require.False(t, change.Verb == admission.Create && change.Started != nil && len(denials) == 0)
	})
}

// TestCommitInTargetRevision: argocd app sync --revisions SHA --source-positions N writes
// the commit into the copy of the source as well.
func TestCommitInTargetRevision(t *testing.T) {
	const other = "5555555555555555555555555555555555555555"
	old := merged(t, example(t, "helm-2.14"), `{"spec": {"source": null, "sources": `+twoSources+`}}`)
	digest := argo.Digest(old)
	asks := func(edit func(sync, first map[string]any)) *admission.Deployment {
		sync := object(t, `{"revisions": ["`+commit+`", "`+commit+`"], "sources": `+twoSources+`}`)
		first, _ := sync["sources"].([]any)[0].(map[string]any)
		first["targetRevision"] = commit
		edit(sync, first)
		next := merged(t, old, `{"status": {"operationState": null}}`)
		next["operation"] = map[string]any{"sync": sync}
		return read(t, server, old, next).Started
	}
	same := asks(func(map[string]any, map[string]any) {})
	require.Equal(t, digest, same.Candidate.SpecDigest)
	require.Len(t, same.Candidate.Revisions, 2)
	require.Equal(t, digest, argo.Digest(old), "the object is as it was")

	for name, edit := range map[string]func(sync, first map[string]any){
		"another commit":            func(_, first map[string]any) { first["targetRevision"] = other },
		"a commit that is not used": func(sync, _ map[string]any) { sync["revisions"] = []any{other, commit} },
		"a branch in both": func(sync, first map[string]any) {
			first["targetRevision"] = "evil"
			sync["revisions"] = []any{"evil", commit}
		},
		"another path":    func(_, first map[string]any) { first["path"] = "evil" },
		"a plugin":        func(_, first map[string]any) { first["plugin"] = map[string]any{} },
		"it is shown":     func(_, first map[string]any) { first["path"] = "$ARGOCD_APP_SOURCE_TARGET_REVISION" },
		"one source more": func(sync, first map[string]any) { sync["sources"] = append(sync["sources"].([]any), first) },
		"the other order": func(sync, first map[string]any) {
			sources := sync["sources"].([]any)
			sync["sources"] = []any{sources[1], first}
		},
	} {
		require.NotEqual(t, digest, asks(edit).Candidate.SpecDigest, name)
	}
	shown := merged(t, old, `{}`)
	first, _ := shown["spec"].(map[string]any)["sources"].([]any)[0].(map[string]any)
	first["helm"] = map[string]any{"parameters": []any{map[string]any{"name": "branch", "value": "$ARGOCD_APP_SOURCE_TARGET_REVISION"}}}
	digest = argo.Digest(shown)
	next := merged(t, shown, `{"status": {"operationState": null}, "operation": {"sync": {"revisions": ["`+commit+`", "`+commit+`"]}}}`)
	copied := runtime.DeepCopyJSON(shown)["spec"].(map[string]any)["sources"].([]any)
	copied[0].(map[string]any)["targetRevision"] = commit
	next["operation"].(map[string]any)["sync"].(map[string]any)["sources"] = copied
	require.NotEqual(t, digest, read(t, server, shown, next).Started.Candidate.SpecDigest, "what is rendered could show it")
}
