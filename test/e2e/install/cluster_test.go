package install

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// withdraw takes away what the sandbox has for Gatekeeper: its namespace with its rights, and
// its account in Argo CD. The commands of the page bring their own.
func (s *story) withdraw() {
	s.t.Helper()
	for _, kind := range []string{"clusterroles", "clusterrolebindings"} {
		require.NoError(s.t, s.cluster.Resource(resource("rbac.authorization.k8s.io", "v1", kind)).Delete(s.ctx, namespace, metav1.DeleteOptions{}))
	}
	namespaces := s.cluster.Resource(resource("", "v1", "namespaces"))
	require.NoError(s.t, namespaces.Delete(s.ctx, namespace, metav1.DeleteOptions{}))
	require.NoError(s.t, payments.Await(s.ctx, "the sandbox's own namespace to be gone", func(ctx context.Context) (bool, string, error) {
		_, err := namespaces.Get(ctx, namespace, metav1.GetOptions{})
		return apierrors.IsNotFound(err), fmt.Sprint(err), nil
	}))
	settings := s.cluster.Resource(resource("", "v1", "configmaps")).Namespace("argocd")
	for name, patch := range map[string]string{
		"argocd-cm": `{"data":{"accounts.gatekeeper":null}}`, "argocd-rbac-cm": `{"data":{"policy.csv":null}}`,
	} {
		_, err := settings.Patch(s.ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		require.NoError(s.t, err)
	}
	require.NoError(s.t, payments.Await(s.ctx, "argocd-server to forget the account", func(ctx context.Context) (bool, string, error) {
		out, err := s.world.Sandbox.ArgoCD().CLI(ctx, "account", "list", "-o", "name")
		return err == nil && !strings.Contains(string(out), "gatekeeper"), fmt.Sprint(string(out), err), nil
	}))
}

// manifests puts the manifests of Argo CD, which the page has people load from GitHub, into
// the folder.
func (s *story) manifests() {
	s.t.Helper()
	text, err := os.ReadFile(s.moduleFile("manifests/install.yaml"))
	require.NoError(s.t, err)
	require.NoError(s.t, os.WriteFile(filepath.Join(s.work, "argocd-install.yaml"), text, 0o600))
}

// front has argocd-server reached with TLS, by the certificate in its Secret. The sandbox
// starts it without, and has no Services.
func (s *story) front() string {
	s.t.Helper()
	object, err := s.cluster.Resource(resource("", "v1", "secrets")).Namespace("argocd").Get(s.ctx, "argocd-secret", metav1.GetOptions{})
	require.NoError(s.t, err)
	pair := map[string][]byte{}
	for _, key := range []string{"tls.crt", "tls.key"} {
		text, _, err := unstructured.NestedString(object.Object, "data", key)
		require.NoError(s.t, err)
		pair[key], err = base64.StdEncoding.DecodeString(text)
		require.NoError(s.t, err)
	}
	cert, err := tls.X509KeyPair(pair["tls.crt"], pair["tls.key"])
	require.NoError(s.t, err)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}})
	require.NoError(s.t, err)
	var running sync.WaitGroup
	ctx, end := context.WithCancel(context.WithoutCancel(s.ctx))
	running.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { pass(ctx, from, s.world.Sandbox.ArgoCD().Addr()) })
		}
	})
	s.t.Cleanup(func() {
		end()
		_ = listener.Close()
		running.Wait()
	})
	return listener.Addr().String()
}

// pass joins a connection with another until either of them, or the context, ends.
func pass(ctx context.Context, from net.Conn, address string) {
	defer func() { _ = from.Close() }()
	to, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { _, _ = from.Close(), to.Close() })
	defer stop()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(from, to)
		_ = from.Close()
	})
	_, _ = io.Copy(to, from)
	_ = to.Close()
	back.Wait()
}

// provide does what a cluster's storage does: it makes the volume of a claim and binds it.
func (s *story) provide(name string) {
	s.t.Helper()
	claims := s.cluster.Resource(resource("", "v1", "persistentvolumeclaims")).Namespace(namespace)
	volumes := s.cluster.Resource(resource("", "v1", "persistentvolumes"))
	var claim corev1.PersistentVolumeClaim
	require.NoError(s.t, s.read(s.ctx, resource("", "v1", "persistentvolumeclaims"), name, &claim))
	require.Empty(s.t, claim.Spec.VolumeName)
	s.create(volumes, map[string]any{
		"apiVersion": "v1", "kind": "PersistentVolume", "metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"capacity":    map[string]any{"storage": claim.Spec.Resources.Requests.Storage().String()},
			"accessModes": []any{string(claim.Spec.AccessModes[0])},
			"claimRef":    map[string]any{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": name, "uid": string(claim.UID)},
			"hostPath":    map[string]any{"path": filepath.Join(s.dir, "volume-"+name)},
		},
	})
	s.patch(volumes, name, map[string]any{"status": map[string]any{"phase": "Bound"}}, "status")
	s.patch(claims, name, map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{"pv.kubernetes.io/bind-completed": "yes"}},
		"spec":     map[string]any{"volumeName": name},
	})
	s.patch(claims, name, map[string]any{"status": map[string]any{"phase": "Bound", "accessModes": claim.Spec.AccessModes, "capacity": claim.Spec.Resources.Requests}}, "status")
}

func (s *story) create(in dynamic.ResourceInterface, object map[string]any) {
	s.t.Helper()
	_, err := in.Create(s.ctx, &unstructured.Unstructured{Object: object}, metav1.CreateOptions{})
	require.NoError(s.t, err)
}

func (s *story) patch(in dynamic.ResourceInterface, name string, patch map[string]any, subresources ...string) {
	s.t.Helper()
	text, err := json.Marshal(patch)
	require.NoError(s.t, err)
	_, err = in.Patch(s.ctx, name, types.MergePatchType, text, metav1.PatchOptions{}, subresources...)
	require.NoError(s.t, err)
}

// heard keeps the warnings of the API server.
type heard struct {
	mu    sync.Mutex
	texts []string
}

// HandleWarningHeader implements rest.WarningHandler.
func (h *heard) HandleWarningHeader(_ int, _ string, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.texts = append(h.texts, text)
}

func (h *heard) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := h.texts
	h.texts = nil
	return out
}

// awaitEnforcement waits until the API server asks the pod and has its rules: a deletion, which
// the webhook refuses, and a branch in place of a revision, which the policy refuses, are
// warned of or refused. Nothing is changed by asking.
func (s *story) awaitEnforcement(refused bool) {
	s.t.Helper()
	config, warnings := s.world.Sandbox.RESTConfig(sandbox.Developer), &heard{}
	config.WarningHandler = warnings
	client, err := dynamic.NewForConfig(config)
	require.NoError(s.t, err)
	apps := client.Resource(resource("argoproj.io", "v1alpha1", "applications")).Namespace(s.world.ApplicationNamespace())
	name, dry := s.world.Application("prod", payments.Ledger), []string{metav1.DryRunAll}
	require.NoError(s.t, payments.Await(s.ctx, "enforcement", func(ctx context.Context) (bool, string, error) {
		warnings.take()
		_, policy := apps.Patch(ctx, name, types.MergePatchType, []byte(`{"operation":{"sync":{"revision":"main"}}}`), metav1.PatchOptions{DryRun: dry})
		ofPolicy := warnings.take()
		webhook := apps.Delete(ctx, name, metav1.DeleteOptions{DryRun: dry})
		ofWebhook := warnings.take()
		seen := fmt.Sprintf("policy: %v, %v; webhook: %v, %v", policy, ofPolicy, webhook, ofWebhook)
		if refused {
			return apierrors.IsForbidden(policy) && apierrors.IsForbidden(webhook) && strings.Contains(webhook.Error(), "gatekeeper permit"), seen, nil
		}
		return policy == nil && webhook == nil && len(ofPolicy) > 0 && strings.Contains(strings.Join(ofWebhook, " "), "would be refused: "), seen, nil
	}))
}
