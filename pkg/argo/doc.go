// Package argo reads Argo CD Applications as facts for the core.
//
//	kube-apiserver ──raw JSON──► Parser ──► approval.Application
//	      │                        ▲
//	      ├── get ───► Reader ─────┤  fresh: what a decision rests on
//	      └── watch ─► Watcher ────┘  cached: what wakes a decision up
//
// Package argosync below it writes the one thing that Gatekeeper writes, the
// operation of a sync, and package argoapi asks Argo CD's own API for sync windows.
//
// # Raw JSON
//
// Applications are read as they are stored, never through the Go types of one
// release of Argo CD. Those types drop what they do not know: read with the types
// of 2.14, the Application of a 3.x installation whose auto-sync is switched off
// (automated.enabled: false) looks as if it were on, and two specs that differ in
// a newer field look the same.
//
// # Failing closed
//
// The Parser never fails. What it cannot judge becomes a line in
// Application.Unsupported, and such an Application is not synced: fields of a wrong
// type, keys that this version of Gatekeeper does not know at a place where they
// could change what is rendered, content that Argo CD would fetch from elsewhere
// than a pinned revision. The spec digest covers unknown keys as well.
//
// # What the facts do not show
//
// Reads are what the spec names. The files found there can name further ones:
// kustomize bases and remote resources, "file://" dependencies of a chart, jsonnet
// imports, symbolic links, and the overrides in .argocd-source.yaml and
// .argocd-source-<app>.yaml in the source's folder, which Argo CD merges into the
// source and which may name other value files. Package closure below this one follows
// them at exact revisions. A plugin may read anything, so its source reads the whole
// repository; that it may also fetch things from a network cannot be seen here, nor
// that a plugin claims a folder by discovery.
package argo
