// Package imagediff says of a change whether it moves image tags and digests and
// does nothing else. It is pure: bytes in, a verdict out; no clock, no I/O.
//
//	both versions of a file
//	   │ modes, size, bytes ───────────────────────────► config or refused
//	   ▼
//	documents, each read by two parsers ── in doubt ───► refused
//	   │
//	   ▼
//	changed leaves ── one is no image's tag or digest ─► config
//	   │
//	   ▼
//	bytes outside of those leaves ── differ ───────────► config
//	   │
//	   ▼
//	image, with the moves
//
// An image change needs another quorum than a configuration change, so whoever can
// make one look like the other avoids reviewers. The rules follow from that:
//
//   - Nothing is ever image because something could not be done. What cannot be
//     read, is too large, or is not understood is config.
//   - Two parsers must see the same: sigs.k8s.io/yaml, with which Helm and Argo CD
//     read, and go.yaml.in/yaml/v4, which keeps positions. They differ in duplicate
//     keys (the last wins, or an error), in merge keys (a later "<<" wins, or the
//     explicit key does), in types ("on" and "y" are booleans, or text), and both
//     read the first document alone unless told otherwise. A file with anchors,
//     aliases, merge keys, explicit tags, duplicate or escaped keys is therefore
//     never image. When a change adds such a thing or moves an image next to it, it
//     is refused: config, with a finding, since somebody may be hiding something.
//   - An image keeps its repository, and its value stays a string of the grammar of
//     tags and digests.
//   - The two versions of the file are equal byte for byte outside of the moved
//     values. So comments, markers of image updaters, spaces, quotes and line ends
//     are as they were. Move.Edits says where the values are: putting the old ones
//     back gives the old file.
//
// SetVersions goes the other way: it writes versions into files, and gives them away
// only when Classify finds exactly the wanted moves in them.
//
// # What is an image
//
// In Helm values — a file without apiVersion and kind, see Rules.Values — "image"
// with a reference as its value, "image.tag", "image.digest", "imageTag" and
// "imageDigest" at any depth, but not below labels, annotations, environment
// variables, data, or an embedded manifest. In a kustomization, "newTag" and
// "digest" of images. In manifests, the images of all containers of Pod,
// PodTemplate, ReplicationController, Deployment, StatefulSet, DaemonSet,
// ReplicaSet, Job, CronJob and Rollout, also in a List. In an Argo CD Application
// and in .argocd-source files, Helm parameters with the names of values above,
// valuesObject, and kustomize images; the files may override everything else of a
// source too (Argo CD merges them as JSON, reposerver/repository/repository.go),
// which is config. Beside these, what Rules.Paths names.
package imagediff
