// Package adopt records that a person approves the specs of Applications as they are.
//
// A spec that nobody approved could bring content of its own, past every review of the
// repository: a Helm parameter, another branch, another destination. So a gate asks that
// the spec is adopted, and adopting has two steps: Plan reads and shows, Adopt records
// what was shown. Between them the spec may change; then Adopt refuses it, because what
// it would record is not what the person read.
package adopt
