package doctor

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/installation"
)

func applicationChecks() []Check {
	return []Check{
		{
			Code: "applications.gates", Area: Applications, Severity: Warning,
			Title: "every gate protects Applications",
			Explain: `A gate whose selectors match nothing protects nothing: a mistyped project looks just like
that.`,
			run: applicationGates,
		},
		{
			Code: "applications.overlap", Area: Applications, Severity: Critical,
			Title: "no Application is protected by two gates",
			Explain: `An Application of two gates is always blocked, since it would not be clear whose quorum counts.
config check finds selectors that overlap by their spelling; this looks at the Applications
that there are.`,
			run: applicationOverlap,
		},
		{
			Code: "applications.auto-sync", Area: Applications, Severity: Critical,
			Title: "no protected Application syncs itself",
			Explain: `Auto-sync deploys whatever is on the branch, approved or not, and Gatekeeper leaves such an
Application alone. spec.syncPolicy.automated counts, in Argo CD 3.1 and newer unless its
field enabled is false.`,
			run: eachApplication(autoSync),
		},
		{
			Code: "applications.generate-paths", Area: Applications, Severity: Critical,
			Title: "no protected Application narrows what it is rendered from",
			Explain: `With the annotation argocd.argoproj.io/manifest-generate-paths Argo CD takes manifests that it
rendered for one commit for those of another when nothing below these paths changed
between them. If the paths leave out anything that is read, a sync of an approved commit
deploys what a later, unapproved one renders. "/" covers everything; so does no annotation.`,
			run: eachApplication(generatePaths),
		},
		{
			Code: "applications.hydrator", Area: Applications, Severity: Critical,
			Title: "no protected Application uses the source hydrator",
			Explain: `With spec.sourceHydrator Argo CD renders by itself and pushes the result to a branch that
nobody reviews. Gatekeeper does not sync such an Application.`,
			run: eachApplication(hydrator),
		},
		{
			Code: "applications.floating", Area: Applications, Severity: Critical,
			Title: "the sources of protected Applications are exact, or a gate's branch",
			Explain: `A chart needs an exact version, an OCI artifact a digest or an exact version: a range or a
floating tag is resolved again at each sync. A source in git has to be a repository of the
gate and track the gate's branch; anything else is not judged, and so never synced.`,
			run: applicationSources,
		},
		{
			Code: "applications.unsupported", Area: Applications, Severity: Critical,
			Title: "Gatekeeper can judge every protected Application",
			Explain: `What about an Application cannot be judged keeps it from being synced: fields that this
version does not know, remote value files, plug-ins with other options, sync retries that
pick a newer revision. Each reason is a finding of its own.`,
			run: eachApplication(unsupported),
		},
		{
			Code: "applications.remote", Area: Applications, Severity: Warning, slow: true,
			Title: "protected Applications are rendered from their repositories alone",
			Explain: `Follows what the files at the head of the branch refer to: bases of kustomizations, local
charts, value files, symbolic links. What is fetched from elsewhere, such as a remote base
or a chart dependency from a repository, can change without a change in git. It fetches the
repositories to a temporary folder, so it is the slowest check; see --timeout.`,
			run: applicationClosures,
		},
		{
			Code: "applications.images", Area: Applications, Severity: Warning,
			Title: "no protected Application runs an image without a version",
			Explain: `Looks at the images that Argo CD says are live (status.summary.images). One without a tag, or
with the tag latest, is another image after the next pull, whatever was approved.`,
			run: eachApplication(floatingImages),
		},
		{
			Code: "applications.digests", Area: Applications, Severity: Info,
			Title: "protected Applications run images by digest",
			Explain: `A tag can be moved in the registry after it was approved; a digest cannot. A gate with
requireDigest asks for it.`,
			run: imageDigests,
		},
		{
			Code: "applications.sets", Area: Applications, Severity: Warning,
			Title: "ApplicationSets leave their protected Applications to Gatekeeper",
			Explain: `An ApplicationSet takes away annotations that it did not generate, unless they are listed in
spec.preservedFields.annotations; with a RollingSync strategy it starts syncs itself, of
whatever is newest.`,
			run: applicationSets,
		},
	}
}

func applicationGates(ctx context.Context, p *probe) (outcome, error) {
	all, err := p.applications.get(ctx)
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	n := 0
	for _, policy := range p.Policies {
		matched := 0
		for _, a := range all {
			if policy.Protects(a.Facts) {
				matched++
			}
		}
		n += matched
		if matched == 0 {
			o.find(note{about: "gate " + policy.Gate, reason: "none of the " + plural(len(all), "Application") + " matches its selectors", fix: "compare the selectors with",
				command: "kubectl get applications -A -o custom-columns=NAME:.metadata.name,PROJECT:.spec.project,SERVER:.spec.destination.server,NAMESPACE:.spec.destination.namespace"})
		}
	}
	o.good = fmt.Sprintf("%s of %d are protected", plural(n, "Application"), len(all))
	return o, nil
}

func applicationOverlap(ctx context.Context, p *probe) (outcome, error) {
	protected, err := p.protected(ctx)
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	for _, a := range protected {
		if gates := p.gates(a.Facts); len(gates) > 1 {
			o.find(note{about: a.Facts.Key(), reason: "the gates " + strings.Join(gates, " and ") + " protect it, so it is always blocked", fix: "narrow the selectors of one of them"})
		}
	}
	return o, nil
}

// eachApplication looks at each protected Application by itself.
func eachApplication(look func(a installation.Application) []note) func(context.Context, *probe) (outcome, error) {
	return func(ctx context.Context, p *probe) (outcome, error) {
		protected, err := p.protected(ctx)
		if err != nil {
			return outcome{}, err
		}
		var o outcome
		for _, a := range protected {
			for _, n := range look(a) {
				n.about = a.Facts.Key()
				o.find(n)
			}
		}
		o.good = "none in " + plural(len(protected), "protected Application")
		return o, nil
	}
}

func autoSync(a installation.Application) []note {
	if !a.Facts.Automated {
		return nil
	}
	return []note{{reason: "it syncs itself, and Gatekeeper leaves it alone", fix: "switch auto-sync off",
		command: fmt.Sprintf(`kubectl -n %s patch application %s --type merge -p '{"spec":{"syncPolicy":{"automated":null}}}'`, a.Facts.Namespace, a.Facts.Name)}}
}

const generatePathsAnnotation = "argocd.argoproj.io/manifest-generate-paths"

func generatePaths(a installation.Application) []note {
	u := unstructured.Unstructured{Object: a.Object}
	paths := u.GetAnnotations()[generatePathsAnnotation]
	if paths == "" || paths == "/" {
		return nil
	}
	return []note{{reason: "the annotation manifest-generate-paths is " + describe(paths) + ", which is not proven to cover all that is read", fix: "remove it, or set it to /",
		command: fmt.Sprintf("kubectl -n %s annotate application %s %s-", a.Facts.Namespace, a.Facts.Name, generatePathsAnnotation)}}
}

func hydrator(a installation.Application) []note {
	if v, _, _ := unstructured.NestedFieldNoCopy(a.Object, "spec", "sourceHydrator"); v == nil {
		return nil
	}
	return []note{{reason: "spec.sourceHydrator is set, so Argo CD pushes to a branch that nobody reviews", fix: "use spec.source, or render in a pull request"}}
}

func unsupported(a installation.Application) []note {
	var out []note
	for _, why := range a.Facts.Unsupported {
		if strings.Contains(why, generatePathsAnnotation) || strings.Contains(why, "spec.sourceHydrator") {
			continue // in checks of their own
		}
		out = append(out, note{reason: why, fix: "change the Application; until then Gatekeeper does not sync it"})
	}
	return out
}

// exactVersion is a version that nothing else can match (SemVer 2.0.0, with the v that
// Helm accepts).
var exactVersion = regexp.MustCompile(`^v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)

func applicationSources(ctx context.Context, p *probe) (outcome, error) {
	protected, err := p.protected(ctx)
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	for _, a := range protected {
		for i, s := range a.Facts.Sources {
			for _, policy := range p.Policies {
				if !policy.Protects(a.Facts) {
					continue
				}
				if n := judgeSource(policy, s); n != nil {
					n.about = fmt.Sprintf("%s, source %d", a.Facts.Key(), i+1)
					o.find(*n)
				}
			}
		}
	}
	o.good = "all sources of " + plural(len(protected), "protected Application") + " are"
	return o, nil
}

func judgeSource(policy approval.Policy, s approval.Source) *note {
	switch s.Kind {
	case approval.SourceHelm:
		if !exactVersion.MatchString(s.TargetRevision) {
			return &note{reason: "the chart's version " + describe(s.TargetRevision) + " is not exact", fix: "write the version out, for example", command: "targetRevision: 1.2.3"}
		}
	case approval.SourceOCI:
		if !strings.HasPrefix(s.TargetRevision, "sha256:") && !exactVersion.MatchString(s.TargetRevision) {
			return &note{reason: "the artifact's version " + describe(s.TargetRevision) + " is not exact", fix: "write its digest", command: "targetRevision: sha256:…"}
		}
	case approval.SourceGit:
		if s.Repository == "" {
			return &note{reason: s.RepoURL + " is not on the GitHub that is configured", fix: "move the source to a repository of the gate"}
		}
		r, ok := policy.Repository(s.Repository)
		if !ok {
			return &note{reason: "the gate " + policy.Gate + " does not judge " + string(s.Repository), fix: "add the repository to the gate", command: "repositories:\n  - repository: " + string(s.Repository)}
		}
		// HEAD is the default branch, which GitHub is not asked for here.
		if t := strings.TrimPrefix(s.TargetRevision, "refs/heads/"); t != r.Branch && t != "" && t != "HEAD" {
			return &note{reason: "it tracks " + describe(s.TargetRevision) + ", the gate judges the branch " + r.Branch, fix: "track the gate's branch", command: "targetRevision: " + r.Branch}
		}
	}
	return nil
}

func applicationClosures(ctx context.Context, p *probe) (outcome, error) {
	if err := p.need("Closure", p.Closure != nil); err != nil {
		return outcome{}, err
	}
	protected, err := p.protected(ctx)
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	for _, a := range protected {
		closure, err := p.Closure(ctx, a.Facts)
		if err != nil {
			o.doubt(a.Facts.Key(), err)
			if ctx.Err() != nil {
				break // the others would only say the same
			}
			continue
		}
		for _, why := range slices.Concat(closure.Foreign, closure.Unresolved) {
			o.find(note{about: a.Facts.Key(), reason: why, fix: "keep a copy in the repository, or name a full commit"})
		}
	}
	o.good = plural(len(protected), "protected Application") + " followed"
	return o, nil //nolint:nilerr // what could not be read is a doubt of the outcome
}

// images are those that Argo CD says are live.
func images(a installation.Application) []string {
	list, _, _ := unstructured.NestedStringSlice(a.Object, "status", "summary", "images")
	return list
}

func tagOf(image string) string {
	last := image[strings.LastIndex(image, "/")+1:]
	_, tag, _ := strings.Cut(last, ":")
	return tag
}

func floatingImages(a installation.Application) []note {
	var out []note
	for _, image := range images(a) {
		if tag := tagOf(image); !strings.Contains(image, "@") && (tag == "" || tag == "latest") {
			out = append(out, note{reason: image + " runs, which has no version", fix: "write a tag and a digest", command: "image: " + strings.TrimSuffix(image, ":latest") + ":VERSION@sha256:DIGEST"})
		}
	}
	return out
}

func imageDigests(ctx context.Context, p *probe) (outcome, error) {
	protected, err := p.protected(ctx)
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	for _, a := range protected {
		var by []string
		for _, image := range images(a) {
			if !strings.Contains(image, "@sha256:") {
				by = append(by, image)
			}
		}
		if len(by) > 0 {
			o.find(note{about: a.Facts.Key(), reason: "by tag alone: " + sorted(by), fix: "add digests; requireDigest in the gate's image section then keeps them"})
		}
	}
	return o, nil
}

func applicationSets(ctx context.Context, p *probe) (outcome, error) {
	protected, err := p.protected(ctx)
	if err != nil {
		return outcome{}, err
	}
	sets, err := p.sets.get(ctx)
	if err != nil {
		return outcome{}, err
	}
	owned := map[string]int{}
	for _, a := range protected {
		u := unstructured.Unstructured{Object: a.Object}
		for _, owner := range u.GetOwnerReferences() {
			if owner.Kind == "ApplicationSet" {
				owned[a.Facts.Namespace+"/"+owner.Name]++
			}
		}
	}
	var o outcome
	for _, object := range sets {
		u := unstructured.Unstructured{Object: object}
		key := u.GetNamespace() + "/" + u.GetName()
		n := owned[key]
		if n == 0 {
			continue
		}
		preserved, _, _ := unstructured.NestedStringSlice(object, "spec", "preservedFields", "annotations")
		missing := slices.DeleteFunc(slices.Clone(p.Annotations), func(s string) bool { return slices.Contains(preserved, s) })
		if len(missing) > 0 {
			o.find(note{about: "ApplicationSet " + key, reason: "it takes " + sorted(missing) + " off " + plural(n, "protected Application"), fix: "preserve the annotations",
				command: fmt.Sprintf(`kubectl -n %s patch applicationset %s --type merge -p '{"spec":{"preservedFields":{"annotations":%s}}}'`, u.GetNamespace(), u.GetName(), quoted(slices.Concat(preserved, missing)))})
		}
		if kind, _, _ := unstructured.NestedString(object, "spec", "strategy", "type"); kind == "RollingSync" {
			o.find(note{about: "ApplicationSet " + key, reason: "with RollingSync it starts syncs of the newest revision itself", fix: "take the strategy away",
				command: fmt.Sprintf(`kubectl -n %s patch applicationset %s --type merge -p '{"spec":{"strategy":null}}'`, u.GetNamespace(), u.GetName())})
		}
	}
	o.good = plural(len(owned), "ApplicationSet") + " of protected Applications"
	if len(owned) == 0 {
		o.good = "no ApplicationSet generates a protected Application"
	}
	return o, nil
}

func quoted(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = fmt.Sprintf("%q", s)
	}
	return "[" + strings.Join(out, ",") + "]"
}
