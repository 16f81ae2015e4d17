// Package closure finds everything that an Application is rendered from at exact
// revisions: the files and folders that its spec names, and what those refer to.
//
//	spec's Reads ──► folder ──► symbolic links, submodules anywhere in it
//	                   │   ├──► kustomization: resources, components, patches, … ──► folder
//	                   │   ├──► Chart.yaml: "file://" dependencies ────────────────► folder
//	                   │   ├──► *.jsonnet: imports ────────────────────────────────► file
//	                   │   └──► .argocd-source*.yaml: what the spec could have named
//	                   └► file ──► symbolic links on the way to it
//
// The core compares the answer with the paths of the gate: what is rendered from
// elsewhere could be changed without anybody's review.
//
// # Never narrower
//
// The answer may name more than what is read, never less:
//
//   - The spec's own Reads are always part of it.
//   - A folder is read whole, at any depth, whatever a tool picks from it.
//   - Which tool Argo CD runs is not guessed. It depends on the spec, on overrides, on
//     what is in the folder and on Argo CD's own settings, which can switch tools off
//     (util/app/discovery/discovery.go, AppType and IsManifestGenerationEnabled), so
//     what any of them would follow is followed.
//   - A path that does not exist is read too: it decides what it is that it is absent.
//   - A folder that is reached by a symbolic link is followed from both of its names,
//     because tools differ in which of them ".." is relative to.
//   - Whatever cannot be followed makes the whole repository part of the answer, and
//     Closure.Unresolved says why: content from elsewhere than the repository, keys that
//     this version does not know, files that are malformed or too large, kustomize
//     plug-ins, submodules, paths that lead out of the repository, exceeded bounds.
//
// Content is read as the tools read it: sigs.k8s.io/yaml, which kustomize, Helm and Argo
// CD use, decodes it here too, but a key that stands twice is refused.
//
// # What stays invisible
//
// A config management plug-in that claims a folder by discovery, Git LFS and other
// attributes that change a checkout, and what a plug-in fetches from a network cannot be
// seen in the files.
package closure
