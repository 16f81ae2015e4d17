package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func TestLoadComments(t *testing.T) {
	cfg, err := Load(write(t, strings.Replace(full, "[review]", "[review, comment]", 1)+""))
	require.NoError(t, err)
	p := cfg.Policies[0]
	require.True(t, p.Needs().Comments)
	require.True(t, p.Adopters.Empty(), "nobody adopts by a comment unless it is said who")

	cfg, err = Load(write(t, valid+"    adopts: {teams: [acme/platform], users: [zoe]}\n"))
	require.NoError(t, err)
	require.Equal(t, approval.Named{Teams: []approval.TeamName{"acme/platform"}, Users: []string{"zoe"}}, cfg.Policies[0].Adopters)
	require.False(t, cfg.Policies[0].Needs().Comments)

	_, err = Load(write(t, valid+"    adopts: {groups: [nobody]}\n"))
	require.ErrorContains(t, err, `there is no group "nobody"`)
}
