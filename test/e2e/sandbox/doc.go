// Package sandbox runs a Kubernetes control plane and Argo CD as processes on
// this machine, without a cluster and without a container engine. The
// end-to-end tests, the benchmarks and the demo share it.
//
//	etcd ◄── kube-apiserver ◄──┬── kube-controller-manager, kube-scheduler
//	             ▲             ├── KWOK: one node, pods that become Ready (or do not)
//	             │             ├── argocd-server ◄── argocd CLI, API tokens
//	        Interceptor        ├── argocd-application-controller ─┐
//	             ▲             └── argocd-applicationset-controller├─► argocd-repo-server ─► git, helm, kustomize
//	             │                    (optional)                   └─► Redis (in-process)
//	         gatekeeper
//
// All of them are the released programs, built from their Go modules by package
// tools, with the roles of Argo CD's own manifests; nothing in here imitates one.
// Every caller has its own bearer token, so admission sees the user names of a
// real installation. Workloads are simulated by KWOK: a pod becomes Ready at once,
// except that an image with the tag "broken", or one that ends in "-broken",
// cannot be pulled.
//
// # Addresses
//
// Everything listens on 127.0.0.1, except the metrics port of the
// application-controller, which has no flag for its address. A component that
// finds its port taken is started again on another one.
//
// # Nothing is left behind
//
// Close stops every process and removes the folder. If the program that holds the
// sandbox dies without Close, by a panic, os.Exit, a signal or SIGKILL, the kernel
// kills the processes (parent-death signal, Linux only), and the next Start
// removes the folder, recognising by a file lock that nobody uses it. A process
// that such a component has just started itself, for instance git, ends when it
// finds its pipes and servers gone.
//
// # Failure
//
// Start either returns a sandbox in which everything answers, or an error that
// carries the end of the log of the component that failed, with nothing left
// running. A component that dies later does not stop the others; tests call
// DumpLogs when they fail.
package sandbox
