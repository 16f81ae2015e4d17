package readapi

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
)

func TestDeployments(t *testing.T) {
	w := newWorld(t)
	const path = "/applications/argocd/shop/deployments"
	w.refused(w.request(path), http.StatusNotFound, "not on record")
	for i := range 7 {
		w.append("uid-shop", fmt.Sprintf("i-%d", i))
		w.append("uid-other", fmt.Sprintf("o-%d", i))
	}
	// The record alone does not tell which of two that had the name is meant: the newest
	// one that was deployed, unless one is there.
	w.apps = []Application{known("argocd/shop", "prod", approval.Allowed)}
	w.apps[0].UID = "uid-shop"
	page := get[deploymentPage](w, path+"?limit=3")
	require.Equal(t, 7, page.Total)
	require.Equal(t, []int{7, 6, 5}, []int{page.Items[0].Number, page.Items[1].Number, page.Items[2].Number})
	require.Equal(t, 4, page.Next)
	for _, d := range page.Items {
		require.Equal(t, "uid-shop", d.UID)
		require.Equal(t, d, get[deployments.Deployment](w, fmt.Sprintf("%s/%d", path, d.Number)))
	}
	require.Zero(t, get[deploymentPage](w, path+"?from=2").Next)
	comparison := get[deployments.Comparison](w, "/applications/argocd/shop/compare?from=1&to=7")
	require.True(t, comparison.Same)
	require.Equal(t, 7, comparison.To.Number)

	w.refused(w.request(path+"/8"), http.StatusNotFound, "of 7")
	w.refused(w.request("/applications/argocd/shop/compare?from=1&to=9"), http.StatusNotFound, "of 7")
	w.refused(w.request("/applications/argocd/shop/compare?from=1"), http.StatusBadRequest, "both from and to")
	for _, bad := range []string{path + "/0", path + "/x", path + "?from=0", path + "?limit=1000"} {
		w.refused(w.request(bad), http.StatusBadRequest, "")
	}
}
