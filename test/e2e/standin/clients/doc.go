// Package clients holds no code. Its tests run clients that others wrote against the GitHub stand-in:
// Probot and octokit.js on Node, git, and gh. What such a client takes for GitHub's behaviour was
// learned from GitHub, so it finds out where the stand-in is unlike GitHub, and keeps it from becoming so.
//
//	test ──starts──► stand-in ◄──HTTP, git, webhooks──► client (a child process)
//	  └── asserts on the stand-in's state and on what the client printed
//
// A client gets an environment made for it, with a home of its own and nothing of the caller's, and no
// way off the machine: node/guard.mjs refuses connections of Node to anything but loopback. The Node
// packages are those of node/package-lock.json; package tools installs them into its cache, which
// needs the network once. Tests of clients that are not on the machine, or of a Node that is too old for
// Probot, are skipped; under CI=true a missing Node is a failure. gh is built from its source, so its
// tests run with the other end-to-end tests only (GATEKEEPER_E2E=1).
package clients
