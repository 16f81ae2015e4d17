// Package redeliver asks GitHub to send again the webhooks that did not arrive.
//
//	list of the App's deliveries ──► those that never arrived ──► redelivery, with the same GUID
//
// GitHub makes one attempt and never repeats it by itself (GitHub docs, "Handling
// failed webhook deliveries"). What a webhook is about is read again anyway,
// sooner or later; but who pushed a head from a fork, and the commit on which a
// review was submitted, GitHub tells in webhooks alone. Without a redelivery they
// stay unknown, which blocks until somebody pushes or reviews once more.
//
// # Failure handling
//
// A sweep that fails is tried again with the next one, and looks back as far as
// the last that succeeded. A sweep reads a bounded number of pages. A delivery that
// fails again and again is given up, and the log says so. That a delivery arrives
// twice is harmless: the inbox knows its GUID.
package redeliver
