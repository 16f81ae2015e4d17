// Package tools builds the programs that the sandbox runs: a real Kubernetes
// control plane, a real Argo CD in two major versions, the tools its repo-server
// calls, the command lines of GitHub and Kubernetes, and the linter. It also installs the Node packages
// of tests, from a lock file, into the same cache.
//
// Every folder beside this file that has a go.mod is a module of its own. It
// lists its programs with tool directives, so its go.mod and go.sum fix every
// byte that is built, and none of its requirements reaches the product's module
// graph. Kubernetes and Argo CD must stay apart: in one module graph they link
// and then panic at start, because they want different versions of the same
// libraries.
//
//	go.mod, go.sum, Go version, table entry ──► SHA-256 ──► cache folder
//	                                                          ├ kube-apiserver …
//	                                                          └ manifests/ … (files copied from the modules)
//
// # Changing a version
//
// In the module's folder: go get -tool PACKAGE@VERSION for each of its tools. The
// replace directives of kubernetes, kubectl and argocd are those of the upstream go.mod (for
// Kubernetes, its staging list at the matching v0 version) and must follow. A test
// fails when a program of the table is not a tool of its module, and when the
// versions that package sandbox announces are not those that are built.
//
// # Cache
//
// A cache folder is filled under a temporary name and renamed when it is
// complete, under a file lock: a folder that exists is whole, two processes
// never build the same module at the same time, and an interrupted build leaves
// nothing that could be taken for a result. Nothing is deleted from the cache; to
// free the space, remove it.
//
// The cache is os.UserCacheDir()/gatekeeper/tools; GATEKEEPER_TOOLS_CACHE names
// another folder.
package tools
