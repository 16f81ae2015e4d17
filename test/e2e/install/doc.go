// Package install holds the test that does what docs/install.md says, command by command,
// in a real cluster.
package install
