package main

import "path/filepath"

// The files in the data directory.
func recordPath(data string) string  { return filepath.Join(data, "record.db") }
func inboxPath(data string) string   { return filepath.Join(data, "inbox.db") }
func mirrorsPath(data string) string { return filepath.Join(data, "mirrors") }
func consolePath(data string) string { return filepath.Join(data, "console.sock") }
