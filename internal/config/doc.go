// Package config loads Gatekeeper's configuration file.
//
// A configuration is accepted as a whole or refused with every mistake found,
// each with file, line and what to write instead. Refused are: an empty file, a
// second document, an unknown or repeated key, a value of the wrong kind,
// anchors and aliases, a secret that is missing or empty, and a gate that would
// let everything through or could never be satisfied.
//
// Secrets are read from files and nowhere else; the file names are in the
// configuration, the values are not.
package config
