// Package payments is the world that the end-to-end tests, the benchmarks and
// the demo share: a payments team with an env-overrides repository on the GitHub
// stand-in, its production Applications in Argo CD, and a gatekeeper process
// that guards them.
//
//	Open ─► organisation, people, repository, GitHub App
//	     ─► AppProject, namespace, Applications, first sync (as before Gatekeeper)
//	     ─► gatekeeper.yaml, secrets, ledger init
//	StartGatekeeper ─► the real binary, its webhook known to the stand-in
//
// Several worlds can live in one sandbox side by side: each has its own
// organisation, repository, App, AppProject and namespaces.
package payments
