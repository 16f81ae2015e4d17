// Package debian takes the few files that Gatekeeper's image needs of Debian:
// git with what it needs to speak https, the libraries that those programs load,
// certificate authorities, and the texts of their licences.
//
//	Resolve: apt ──► closure of git, ca-certificates ──► Lock (name, version, sha256)
//	Fetch:   Lock ──► apt-helper download-file ──► *.deb, each with its checksum
//	Select:  *.deb ──► programs ──► libraries they name (ELF) ──► File list
//
// A Lock names every package by version and SHA-256, so that an image is the same
// whoever builds it and whenever. apt checks Debian's signatures when the lock is
// made; afterwards the checksums are what counts, and it does not matter from
// where a package comes. A version that a security update replaced leaves the
// mirrors; it is then taken from Debian's snapshot of the lock's time, where one is
// named.
//
// Nothing of a package is run: its maintainer scripts are not needed for these
// files. What a program needs and no package has is an error, not a program that
// fails in the cluster.
package debian
