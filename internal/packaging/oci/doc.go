// Package oci writes Gatekeeper's container image as an OCI image layout, a folder
// that every tool for images reads, and pushes such a layout to a registry. No
// container engine takes part.
//
//	Debian's files ──► layer 1 ┐
//	gatekeeper     ──► layer 2 ┴► image per platform ──► index ──► layout ◄── SBOM of each image (referrer)
//
// The same input gives the same bytes: entries are sorted, belong to root, and
// have one time, that of the commit.
package oci
