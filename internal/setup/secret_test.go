package setup

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/argo-gatekeeper/gatekeeper/pkg/github/registration"
)

// A Secret that is there is never changed, unless that was asked for; then what else is in
// it stays. TestSetupInBrowser does the rest on a real API server.
func TestSecretIsReplacedOnDemandAlone(t *testing.T) {
	t.Parallel()
	there := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "app", Name: "github"}, Data: map[string][]byte{
		AppIDFile: []byte("7\n"), PrivateKeyFile: []byte("old key"), WebhookSecretFile: []byte("old secret\n"), "other": []byte("theirs"),
	}}
	client := fake.NewClientset(there).CoreV1().Secrets("app")
	fresh := Credentials{AppID: 8, PrivateKey: registration.NewSecret([]byte("new key")), WebhookSecret: registration.NewSecret([]byte("new secret"))}

	used := NewInSecret(client, "app", "github", false)
	found, have, err := used.Load(t.Context())
	require.NoError(t, err)
	require.True(t, have)
	require.Equal(t, int64(7), found.AppID)
	require.Equal(t, "old secret", string(found.WebhookSecret.Reveal()))
	require.ErrorContains(t, used.Check(t.Context()), "--replace")
	require.ErrorContains(t, used.Save(t.Context(), fresh), "--replace")
	same, err := client.Get(t.Context(), "github", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, there.Data, same.Data)

	replaced := NewInSecret(client, "app", "github", true)
	_, have, err = replaced.Load(t.Context())
	require.NoError(t, err)
	require.False(t, have, "a new App is made")
	require.NoError(t, replaced.Save(t.Context(), fresh))
	found, have, err = replaced.Load(t.Context())
	require.NoError(t, err)
	require.True(t, have)
	require.Equal(t, int64(8), found.AppID)
	now, err := client.Get(t.Context(), "github", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "theirs", string(now.Data["other"]))

	empty := NewInSecret(client, "app", "none", false)
	_, have, err = empty.Load(t.Context())
	require.NoError(t, err)
	require.False(t, have)
	require.NoError(t, empty.Save(t.Context(), fresh))
	found, have, err = empty.Load(t.Context())
	require.NoError(t, err)
	require.True(t, have)
	require.Equal(t, "new key", string(found.PrivateKey.Reveal()))
}
