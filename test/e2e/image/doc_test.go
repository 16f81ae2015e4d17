// Package image builds the container image twice, in two folders, and runs what is
// in it the way a cluster does: as user 65532, in a root file system that cannot
// be written, with nothing of this machine but /dev/null, /dev/urandom and the
// loopback network.
package image
