// Package kuberbac says who may do what by the RBAC objects of a Kubernetes cluster.
//
// It goes through all bindings instead of asking the API server about single subjects,
// since whom to ask about is just what is not known. Only RBAC is seen: a webhook
// authorizer, the node authorizer and the group system:masters, which is allowed
// everything in the API server itself, are not in these objects.
//
// The rules are those of Kubernetes (plugin/pkg/auth/authorizer/rbac and
// pkg/apis/rbac/v1/evaluation_helpers.go): rules only ever allow, "*" matches
// everything, and a rule with resource names allows nothing that has no name yet.
package kuberbac

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
)

// Kinds of subjects.
const (
	User           = "User"
	Group          = "Group"
	ServiceAccount = "ServiceAccount"
)

// Subject is whom a binding names.
type Subject struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Namespace is that of a service account.
	Namespace string `json:"namespace"`
}

// String is for people and for --trust: "user:NAME", "group:NAME",
// "serviceaccount:NAMESPACE/NAME".
func (s Subject) String() string {
	if s.Kind == ServiceAccount {
		return "serviceaccount:" + s.Namespace + "/" + s.Name
	}
	return strings.ToLower(s.Kind) + ":" + s.Name
}

type rule struct {
	Verbs         []string `json:"verbs"`
	APIGroups     []string `json:"apiGroups"`
	Resources     []string `json:"resources"`
	ResourceNames []string `json:"resourceNames"`
}

type metadata struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

type role struct {
	Metadata metadata `json:"metadata"`
	Rules    []rule   `json:"rules"`
}

type binding struct {
	Metadata metadata `json:"metadata"`
	RoleRef  struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"roleRef"`
	Subjects []Subject `json:"subjects"`
}

// Roles are all RBAC objects of a cluster.
type Roles struct {
	cluster  map[string]role
	local    map[metadata]role
	bindings []binding
}

// Objects are the RBAC objects as they are stored.
type Objects struct {
	ClusterRoles, Roles, ClusterRoleBindings, RoleBindings []map[string]any
}

// Parse reads the objects.
func Parse(o Objects) (Roles, error) {
	out := Roles{cluster: map[string]role{}, local: map[metadata]role{}}
	for _, raw := range o.ClusterRoles {
		r, err := decode[role](raw)
		if err != nil {
			return Roles{}, err
		}
		out.cluster[r.Metadata.Name] = r
	}
	for _, raw := range o.Roles {
		r, err := decode[role](raw)
		if err != nil {
			return Roles{}, err
		}
		out.local[r.Metadata] = r
	}
	for _, raw := range slices.Concat(o.ClusterRoleBindings, o.RoleBindings) {
		b, err := decode[binding](raw)
		if err != nil {
			return Roles{}, err
		}
		out.bindings = append(out.bindings, b)
	}
	return out, nil
}

func decode[T any](raw map[string]any) (out T, err error) {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, &out); err != nil {
		return out, fmt.Errorf("decode an RBAC object: %w", err)
	}
	return out, nil
}

// Question asks for those who may use one of the verbs on a resource.
type Question struct {
	Verbs []string
	Group string
	// Resource is the plural, with its subresource if it is about one: "pods/exec".
	Resource string
	// Namespace is empty for what has none.
	Namespace string
	// Names are those of the objects that matter; empty for any.
	Names []string
}

// Answer is one subject that may.
type Answer struct {
	Subject Subject
	// Verbs are those of the question that it may use.
	Verbs []string
	// Bindings say through which, for example "ClusterRoleBinding ops (ClusterRole admin)".
	Bindings []string
	// Commands take them away.
	Commands []string
}

// Who says who may, in a stable order.
func (r Roles) Who(q Question) []Answer {
	found := map[Subject]*Answer{}
	for _, b := range r.bindings {
		if b.Metadata.Namespace != "" && b.Metadata.Namespace != q.Namespace {
			continue
		}
		verbs := r.role(b).allows(q)
		if len(verbs) == 0 {
			continue
		}
		for _, s := range b.Subjects {
			if s.Kind != ServiceAccount {
				s.Namespace = ""
			} else if s.Namespace == "" {
				s.Namespace = b.Metadata.Namespace
			}
			a := found[s]
			if a == nil {
				a = &Answer{Subject: s}
				found[s] = a
			}
			for _, v := range verbs {
				if !slices.Contains(a.Verbs, v) {
					a.Verbs = append(a.Verbs, v)
				}
			}
			a.Bindings = append(a.Bindings, b.describe())
			a.Commands = append(a.Commands, b.remove())
		}
	}
	out := make([]Answer, 0, len(found))
	for _, a := range found {
		out = append(out, *a)
	}
	slices.SortFunc(out, func(a, b Answer) int { return strings.Compare(a.Subject.String(), b.Subject.String()) })
	return out
}

func (b binding) describe() string {
	kind := "ClusterRoleBinding " + b.Metadata.Name
	if b.Metadata.Namespace != "" {
		kind = "RoleBinding " + b.Metadata.Namespace + "/" + b.Metadata.Name
	}
	return kind + " (" + b.RoleRef.Kind + " " + b.RoleRef.Name + ")"
}

func (b binding) remove() string {
	if b.Metadata.Namespace != "" {
		return "kubectl -n " + b.Metadata.Namespace + " delete rolebinding " + b.Metadata.Name
	}
	return "kubectl delete clusterrolebinding " + b.Metadata.Name
}

// role is what a binding gives; nothing when its role does not exist.
func (r Roles) role(b binding) role {
	if b.RoleRef.Kind == "Role" {
		return r.local[metadata{b.RoleRef.Name, b.Metadata.Namespace}]
	}
	return r.cluster[b.RoleRef.Name]
}

// allows are the verbs of the question that the role gives.
func (r role) allows(q Question) []string {
	var out []string
	for _, verb := range q.Verbs {
		if slices.ContainsFunc(r.Rules, func(l rule) bool { return l.allows(verb, q) }) {
			out = append(out, verb)
		}
	}
	return out
}

func (l rule) allows(verb string, q Question) bool {
	if !has(l.Verbs, verb) || !has(l.APIGroups, q.Group) || !l.covers(q.Resource) {
		return false
	}
	if len(l.ResourceNames) == 0 {
		return true
	}
	if verb == "create" || verb == "deletecollection" || verb == "list" && len(q.Names) == 0 {
		return false // these requests carry no name
	}
	return len(q.Names) == 0 || slices.ContainsFunc(q.Names, func(name string) bool { return slices.Contains(l.ResourceNames, name) })
}

func (l rule) covers(resource string) bool {
	if has(l.Resources, resource) {
		return true
	}
	_, sub, ok := strings.Cut(resource, "/")
	return ok && slices.Contains(l.Resources, "*/"+sub)
}

func has(list []string, item string) bool {
	return slices.Contains(list, "*") || slices.Contains(list, item)
}
