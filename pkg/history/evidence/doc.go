// Package evidence gathers from the record what an auditor asks for: every change that
// reached production through a gate in a time, who asked for it, who approved it, on what
// grounds it was let through, what came of it, and every exception.
//
//	record ──► Gather ──► Report ──► WriteJSON, WriteCSV, WriteHTML
//
// A report holds nothing that is not on record, and names for each line the entry with its
// digest, so that it can be looked up and proved. What belongs to the time is what was
// written to the record in it, by the clock of the process that wrote it. All entries are
// looked at: clocks are set back, so the order of times says nothing.
package evidence
