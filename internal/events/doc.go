// Package events tells people in Argo CD's Events tab, which shows the Kubernetes
// Events of an Application, why something was refused.
//
// Telling never makes anybody wait and never fails for the caller: what cannot be
// told is counted. The same text about the same Application is one Event in ten
// minutes; how often it came meanwhile is the count of the next one. All
// Applications together have a budget, so that a loop somewhere does not fill etcd.
package events
