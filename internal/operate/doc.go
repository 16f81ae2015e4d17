// Package operate takes the orders with which people stop and override a gate, checks
// them, and has them recorded.
//
//	hold, release       nothing is synced until it is released or expires
//	break-glass         exactly one candidate may be synced without its quorum
//	review              somebody else has looked at a use of break-glass
//	permit              an Application may be deleted, or leave its gate
//
// Commands call it through the console, where the name is what the person wrote, and
// comments on pull requests, where GitHub says who wrote them. What is ordered has its
// effect by the record alone: the gate reads it there, and is woken to do so at once.
//
// # Failing
//
// What cannot be checked is refused: people who cannot be read, an Application that
// cannot be, a candidate that the gate's own judgement does not take. An order that
// cannot be recorded was not given.
package operate
