// Package argoapi asks the API server of Argo CD what the Kubernetes API does not
// answer: whether the sync windows of the project let an Application sync now.
//
// An operation that a window blocks is not refused by the controller. It stays
// Running, and starts by itself when the window opens, at a time that nobody decided
// on. So Gatekeeper asks before it syncs.
//
// # The connection
//
// There is one gRPC connection, made when it is first needed, kept, and made again by
// gRPC when it is lost. Every call has a deadline. The token is read again when the
// server refuses it, so a rotated one is picked up without a restart.
//
// The messages and the service are those of argo-cd's pkg/apiclient/application; its
// constructor pkg/apiclient.NewClient is not used. That is made for a command line: in
// 2.14.21 it reads the user's ~/.config/argocd, takes address and token from the
// environment, calls the server without a deadline, and ends the process (log.Fatal)
// when the first connection or its own gRPC-Web proxy fails. Being plain gRPC, this
// package needs a server that is reached without a proxy that only speaks HTTP/1.1;
// inside the cluster that is the argocd-server service.
package argoapi
