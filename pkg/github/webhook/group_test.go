package webhook

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestGroupExternalID: what is given out leads back to exactly the same group.
func TestGroupExternalID(t *testing.T) {
	for _, branch := range []string{"main", "release/1.2", "a/pr-1-x", strings.Repeat("b", 100)} {
		g := approval.MergeGroup{Branch: branch, Ref: "gh-readonly-queue/" + branch + "/pr-12-" + landed, Base: landed, Head: head}
		id, ok := GroupExternalID(g)
		require.True(t, ok)
		back, err := groupOf(id, head)
		require.NoError(t, err)
		require.Equal(t, g, *back)
	}
	for name, g := range map[string]approval.MergeGroup{
		"zero":             {},
		"no queue":         {Branch: "main", Ref: "main", Base: landed, Head: head},
		"another branch":   {Branch: "main", Ref: "gh-readonly-queue/dev/pr-12-" + landed, Base: landed, Head: head},
		"no pull request":  {Branch: "main", Ref: "gh-readonly-queue/main/", Base: landed, Head: head},
		"short base":       {Branch: "main", Ref: "gh-readonly-queue/main/pr-12-" + landed, Base: "22", Head: head},
		"no head":          {Branch: "main", Ref: "gh-readonly-queue/main/pr-12-" + landed, Base: landed},
		"far too long one": {Branch: strings.Repeat("b", 200), Ref: "gh-readonly-queue/" + strings.Repeat("b", 200) + "/pr-12-" + landed, Base: landed, Head: head},
	} {
		_, ok := GroupExternalID(g)
		require.False(t, ok, name)
	}
}
