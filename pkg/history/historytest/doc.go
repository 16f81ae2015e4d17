// Package historytest holds the contract of history.Record as tests that every
// store must pass, drafts to write, and a record that fails on demand.
package historytest
