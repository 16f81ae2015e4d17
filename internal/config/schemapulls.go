package config

// Deployments say how the gate's syncs are shown as GitHub Deployments: one for each
// landed pull request, with a status for each step. The App needs the permission
// deployments: write.
type Deployments struct {
	// Off shows none. Default false.
	Off bool `yaml:"off"`
	// Environment is GitHub's name for what the gate protects. Gates of one repository
	// need different ones. Default: the gate's name.
	Environment string `yaml:"environment"`
	// Testing says that users do not reach the environment, which GitHub shows. Default
	// false: it is one of production.
	Testing bool `yaml:"testing"`
	// URL is where people see what runs, for example https://shop.example.com. Default:
	// none.
	URL string `yaml:"url"`
}
