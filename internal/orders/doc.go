// Package orders is the one place where what people order is appended to the record,
// and where it is read back as what is in force.
//
//	command, comment ─► Desk.Give ─► record (compare-and-swap on the head)
//	                                    │
//	                         Book.Standing ─► what is adopted, held, permitted
//
// An order is checked against what is in force at the very head that it is appended
// on: when somebody else appended meanwhile, both are read and checked again. What
// cannot be recorded was not ordered.
package orders
