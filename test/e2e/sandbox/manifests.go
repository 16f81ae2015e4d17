package sandbox

// nodeManifest is the node that KWOK plays.
const nodeManifest = `
apiVersion: v1
kind: Node
metadata:
  name: ` + nodeName + `
  annotations: {kwok.x-k8s.io/node: fake}
  labels: {kubernetes.io/hostname: ` + nodeName + `, kubernetes.io/os: linux, type: kwok}
`

// unpullableStage makes KWOK leave a pod without its containers when the tag of
// one of its images is "broken" or ends in "-broken". KWOK picks among the stages
// that match by weight; its own pod-ready stage has none, so this one always wins.
// Setting podIP keeps both from matching again.
const unpullableStage = `
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata:
  name: pod-image-unpullable
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: '.metadata.deletionTimestamp', operator: DoesNotExist}
    - {key: '.status.podIP', operator: DoesNotExist}
    - key: '[.spec.containers[].image | test("[:-]broken(@|$)")] | any | tostring'
      operator: In
      values: ['true']
  weight: 1
  next:
    statusTemplate: |
      {{ $now := Now }}
      phase: Pending
      startTime: {{ $now | Quote }}
      hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
      podIP: {{ PodIPWith .spec.nodeName ( or .spec.hostNetwork false ) ( or .metadata.uid "" ) ( or .metadata.name "" ) ( or .metadata.namespace "" ) | Quote }}
      conditions:
      - {type: Initialized, status: "True", lastTransitionTime: {{ $now | Quote }}}
      - {type: Ready, status: "False", reason: ContainersNotReady, lastTransitionTime: {{ $now | Quote }}}
      - {type: ContainersReady, status: "False", reason: ContainersNotReady, lastTransitionTime: {{ $now | Quote }}}
      containerStatuses:
      {{ range .spec.containers }}
      - name: {{ .name | Quote }}
        image: {{ .image | Quote }}
        imageID: ""
        ready: false
        started: false
        restartCount: 0
        state: {waiting: {reason: ImagePullBackOff, message: "Back-off pulling image"}}
      {{ end }}
`

// accessManifest gives the callers that are not part of Argo CD their rights; those
// of Argo CD come from its own manifests.
const accessManifest = `
apiVersion: v1
kind: Namespace
metadata: {name: gatekeeper}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: gatekeeper, namespace: gatekeeper}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: gatekeeper}
rules:
- {apiGroups: [argoproj.io], resources: [applications], verbs: [get, list, watch, patch]}
- {apiGroups: [argoproj.io], resources: [appprojects], verbs: [get, list, watch]}
- {apiGroups: [""], resources: [events], verbs: [create]}
# A server-side apply that creates is allowed by name, a plain create is not.
- apiGroups: [admissionregistration.k8s.io]
  resources: [validatingadmissionpolicies, validatingadmissionpolicybindings, validatingwebhookconfigurations]
  resourceNames: [gatekeeper]
  verbs: [get, list, watch, create, patch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: gatekeeper, namespace: gatekeeper}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [create]}
- {apiGroups: [""], resources: [secrets], resourceNames: [gatekeeper-admission], verbs: [get, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: gatekeeper, namespace: gatekeeper}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: gatekeeper}
subjects:
- {kind: ServiceAccount, name: gatekeeper, namespace: gatekeeper}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: gatekeeper}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gatekeeper}
subjects:
- {kind: ServiceAccount, name: gatekeeper, namespace: gatekeeper}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: developer, namespace: argocd}
rules:
- {apiGroups: [argoproj.io], resources: ['*'], verbs: ['*']}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: developer, namespace: argocd}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: developer}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: developers}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: developer-view}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: developers}
`

// otherNamespacesManifest is what argocd-server needs for Applications in other
// namespaces (examples/k8s-rbac/argocd-server-applications of Argo CD, which its manual
// on Applications in any namespace has people install).
const otherNamespacesManifest = `---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: argocd-server-cluster-apps}
rules:
- {apiGroups: [""], resources: [events], verbs: [create]}
- {apiGroups: [argoproj.io], resources: [applications], verbs: [create, delete, update, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: argocd-server-cluster-apps}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: argocd-server-cluster-apps}
subjects:
- {kind: ServiceAccount, name: argocd-server, namespace: argocd}
`
