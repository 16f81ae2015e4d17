package imagediff

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const (
	sumA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	sumB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

	values    = "envs/prod/values.yaml"
	kustomize = "envs/prod/kustomization.yaml"
	manifest  = "envs/prod/deployment.yaml"
	source    = "envs/prod/.argocd-source-app.yaml"
)

// file is an ordinary changed file.
func file(path, before, after string) File {
	return File{Path: path, Before: []byte(before), After: []byte(after), Modes: Modes{"100644", "100644"}}
}

// edited is a file in which texts are replaced, in pairs.
func edited(path, before string, pairs ...string) File {
	after := before
	for i := 0; i < len(pairs); i += 2 {
		after = strings.Replace(after, pairs[i], pairs[i+1], 1)
	}
	return file(path, before, after)
}

func helm(image string) string {
	return "replicas: 2\nimage:\n  repository: ghcr.io/acme/app\n  " + image + "\n  pullPolicy: Always\n"
}

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: app
  namespace: prod
spec:
  replicas: 2
  template:
    spec:
      initContainers:
      - name: migrate
        image: ghcr.io/acme/migrate:1.4.2
      containers:
      - name: app
        image: "ghcr.io/acme/app:1.4.2"
        imagePullPolicy: Always
`

const application = `apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: app
  namespace: argocd
spec:
  source:
    helm:
      parameters:
      - name: image.repository
        value: ghcr.io/acme/app
      - name: image.tag
        value: "1.4.2"
        forceString: true
    kustomize:
      images:
      - ghcr.io/acme/app:1.4.2
`

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\n  annotations:\n    image: app:1\ndata:\n  image: app:1\n"

// moveText is a move for comparison.
func moveText(m Move) string {
	return strings.TrimRight(fmt.Sprintf("%s %s %s → %s %s", m.Path, m.Repository, m.From, m.To, strings.Trim(fmt.Sprint(m.Flags), "[]")), " ")
}

func moveTexts(r Result) []string {
	list := []string{}
	for _, m := range r.Moves {
		list = append(list, moveText(m))
	}
	return list
}

// undo puts the old values back.
func undo(f File, moves []Move) string {
	edits := map[int]Edit{}
	for _, m := range moves {
		for _, e := range m.Edits {
			edits[e.Start] = e
		}
	}
	var b strings.Builder
	for i := 0; i < len(f.After); {
		if e, ok := edits[i]; ok {
			b.WriteString(e.Old)
			i = e.End
			continue
		}
		b.WriteByte(f.After[i])
		i++
	}
	return b.String()
}

// TestCase has the verdicts that the design lists, by their numbers.
func TestCase(t *testing.T) {
	const app = "ghcr.io/acme/app"
	kustom := "images:\n- name: app\n  newName: " + app + "\n  newTag: \"1.4.2\"\n- name: sidecar\n  newTag: \"1\"\n"
	flux := "image:\n  repository: ghcr.io/acme/app\n  tag: 1.4.2 # {\"$imagepolicy\": \"flux-system:app:tag\"}\n"
	override := "helm:\n  parameters:\n  - name: image.tag\n    value: 1.4.2\n    forceString: true\nkustomize:\n  images:\n  - app=ghcr.io/acme/app:1.4.2\nplugin:\n  env:\n  - name: APP_TAG\n    value: 1.4.2\n"
	two := configMap + "---\n# the second\n" + deployment
	link := func(before, after string) File {
		f := edited(values, helm(`tag: "1"`), `"1"`, `"2"`)
		f.Modes = Modes{before, after}
		return f
	}
	bump := edited(values, helm(`tag: "1.4.2"`), "1.4.2", "1.4.3")
	bumpTo := func(after string) File { return edited(values, helm(`tag: "1.4.2"`), `"1.4.2"`, after) }
	deep := "x: " + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "\n"
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'i'; c++ {
		bomb += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}

	tests := []struct {
		name  string
		file  File
		want  Class
		code  Code
		moves []string
	}{
		{"01-tag", bump, ClassImage, "", []string{"image.tag " + app + " 1.4.2 → 1.4.3"}},
		{"02-digest", edited(values, helm("digest: "+sumA), sumA, sumB), ClassImage, "", []string{"image.digest " + app + " " + sumA + " → " + sumB}},
		{"03-tag-and-digest", edited(values, helm("tag: \"1\"\n  digest: "+sumA), `"1"`, `"2"`, sumA, sumB), ClassImage, "",
			[]string{"image.tag " + app + " 1@" + sumA + " → 2@" + sumB}},
		{"04-repository", edited(values, helm(`tag: "1"`), `"1"`, `"2"`, "acme/app", "evil/app"), ClassConfig, "", nil},
		{"05-reference", edited(values, `image: "reg/app:1"`+"\n", "app:1", "app:2"), ClassImage, "", []string{"image docker.io/reg/app 1 → 2"}},
		{"06-reference-moves", edited(values, `image: "reg/app:1"`+"\n", "reg/app:1", "reg2/app:2"), ClassConfig, "", nil},
		{"07-same-normalised", edited(values, "image: app:1\n", "app:1", "docker.io/library/app:2"), ClassImage, "", []string{"image docker.io/library/app 1 → 2"}},
		{"08-port", edited(values, "image: reg:5000/app:1\n", "app:1", "app:2"), ClassImage, "", []string{"image reg:5000/app 1 → 2"}},
		{"09-other-port", edited(values, "image: reg:5000/app\n", "5000", "5001"), ClassConfig, "", nil},
		{"10-newTag", edited(kustomize, kustom, "1.4.2", "1.4.3"), ClassImage, "", []string{"images[0].newTag " + app + " 1.4.2 → 1.4.3"}},
		{"11-newName", edited(kustomize, kustom, "acme/app", "evil/app"), ClassConfig, "", nil},
		{"12-newTag-to-digest", edited(kustomize, kustom, `newTag: "1.4.2"`, "digest: "+sumA), ClassImage, "", []string{"images[0].digest " + app + " 1.4.2 → " + sumA}},
		{"13-images-added", file(kustomize, kustom, kustom+"- name: more\n  newTag: \"1\"\n"), ClassConfig, "", nil},
		{"13-images-removed", file(kustomize, kustom, strings.Replace(kustom, "- name: sidecar\n  newTag: \"1\"\n", "", 1)), ClassConfig, "", nil},
		{"13-images-reordered", file(kustomize, "images:\n- name: a\n  newTag: \"1\"\n- name: b\n  newTag: \"2\"\n", "images:\n- name: b\n  newTag: \"2\"\n- name: a\n  newTag: \"1\"\n"), ClassConfig, "", nil},
		{"14-containers", edited(manifest, deployment, "migrate:1.4.2", "migrate:1.4.3", "app:1.4.2", "app:1.4.3"), ClassImage, "", []string{
			"spec.template.spec.initContainers[0].image ghcr.io/acme/migrate 1.4.2 → 1.4.3", "spec.template.spec.containers[0].image " + app + " 1.4.2 → 1.4.3"}},
		{"15-replicas", edited(manifest, deployment, "app:1.4.2", "app:1.4.3", "replicas: 2", "replicas: 3"), ClassConfig, "", nil},
		{"16-pull-policy", edited(manifest, deployment, "app:1.4.2", "app:1.4.3", "Always", "Never"), ClassConfig, "", nil},
		{"17-parameter", edited(manifest, application, `"1.4.2"`, `"1.4.3"`), ClassImage, "", []string{"spec.source.helm.parameters[1].value " + app + " 1.4.2 → 1.4.3"}},
		{"18-parameter-repository", edited(manifest, application, "acme/app", "evil/app"), ClassConfig, "", nil},
		{"19-forceString", edited(manifest, application, `"1.4.2"`, `"1.4.3"`, "        forceString: true\n", ""), ClassConfig, "", nil},
		{"19-forceString-false", edited(manifest, application, `"1.4.2"`, `"1.4.3"`, "forceString: true", "forceString: false"), ClassConfig, "", nil},
		{"20-source-file", edited(source, override, "app:1.4.2", "app:1.4.3"), ClassImage, "", []string{"kustomize.images[0] " + app + " 1.4.2 → 1.4.3"}},
		{"20-source-file-parameter", edited(source, override, "value: 1.4.2", "value: 1.4.3"), ClassImage, "", []string{"helm.parameters[0].value  1.4.2 → 1.4.3"}},
		{"21-source-file-valueFiles", edited(source, override, "helm:\n", "helm:\n  valueFiles: [evil.yaml]\n", "app:1.4.2", "app:1.4.3"), ClassConfig, "", nil},
		{"21-source-file-patches", edited(source, override, "kustomize:\n", "kustomize:\n  patches: []\n"), ClassConfig, "", nil},
		{"22-kustomize-other-name", edited(manifest, application, "- ghcr.io/acme/app:1.4.2", "- a=b:1"), ClassConfig, "", nil},
		{"22-kustomize-images", edited(source, "kustomize:\n  images:\n  - a=b:1\n", "a=b:1", "a=c:1"), ClassConfig, "", nil},
		{"23-plugin-env", edited(source, override, "APP_TAG\n    value: 1.4.2", "APP_TAG\n    value: 1.4.3"), ClassConfig, "", nil},
		{"24-flux-marker", edited(values, flux, "1.4.2", "1.4.3"), ClassImage, "", []string{"image.tag " + app + " 1.4.2 → 1.4.3"}},
		{"25-flux-marker-edited", edited(values, flux, "1.4.2", "1.4.3", "flux-system:app", "flux-system:evil"), ClassConfig, "", nil},
		{"26-comment", edited(values, flux, "flux-system", "other-system"), ClassConfig, "", nil},
		{"26-whitespace", edited(values, flux, "tag: 1", "tag:  1"), ClassConfig, "", nil},
		{"27-line-ends", file(values, helm(`tag: "1.4.2"`), strings.ReplaceAll(helm(`tag: "1.4.3"`), "\n", "\r\n")), ClassConfig, "", nil},
		{"28-downgrade", edited(values, helm(`tag: "1.4.3"`), "1.4.3", "1.4.2"), ClassImage, "", []string{"image.tag " + app + " 1.4.3 → 1.4.2 downgrade"}},
		{"29-mutable-digest", edited(values, "image: app:stable@"+sumA+"\n", sumA, sumB), ClassImage, "", []string{"image docker.io/library/app stable@" + sumA + " → stable@" + sumB + " mutable"}},
		{"29-mutable-latest", bumpTo("latest"), ClassImage, "", []string{"image.tag " + app + " 1.4.2 → latest mutable"}},
		{"30-unquoted", edited(values, helm(`tag: "1.10"`), `"1.10"`, "1.10"), ClassRefused, CodeType, nil},
		{"31-octal", bumpTo("0123"), ClassRefused, CodeType, nil},
		{"31-on", bumpTo("on"), ClassRefused, CodeType, nil},
		{"31-null", bumpTo("~"), ClassRefused, CodeType, nil},
		{"31-float", bumpTo("1e3"), ClassRefused, CodeType, nil},
		{"31-date", bumpTo("2024-01-01"), ClassRefused, CodeType, nil},
		{"32-second-tag", file(values, helm(`tag: "1.4.2"`), helm(`tag: "1.4.2"`)+"  tag: \"6.6.6\"\n"), ClassRefused, CodeAmbiguous, nil},
		{"33-anchor", edited(values, "image:\n  tag: &t \"1\"\nother:\n  image:\n    tag: *t\n", `"1"`, `"2"`), ClassRefused, CodeAmbiguous, nil},
		{"34-merge-key", edited(values, "base: &base\n  tag: \"6.6.6\"\nimage:\n  tag: \"1\"\n", "tag: \"1\"\n", "tag: \"1\"\n  <<: *base\n"), ClassRefused, CodeAmbiguous, nil},
		{"35-template", bumpTo(`"{{ .Values.x }}"`), ClassRefused, CodeGrammar, nil},
		{"35-newline", bumpTo(`"1.4.3\n"`), ClassRefused, CodeGrammar, nil},
		{"35-zero-width", bumpTo("\"1.4.\u200b3\""), ClassRefused, CodeGrammar, nil},
		{"35-non-ascii", bumpTo(`"1.4.３"`), ClassRefused, CodeGrammar, nil},
		{"36-escaped-key", edited(values, helm(`tag: "1.4.2"`), `tag: "1.4.2"`, `"\u0074ag": "1.4.3"`), ClassRefused, CodeAmbiguous, nil},
		{"36-escaped-value", bumpTo(`"1.4.\u0033"`), ClassRefused, CodeAmbiguous, nil},
		{"36-binary", bumpTo("!!binary MS40LjM="), ClassRefused, CodeAmbiguous, nil},
		{"37-second-document", edited(manifest, two, "app:1.4.2", "app:1.4.3"), ClassImage, "", []string{"spec.template.spec.containers[0].image " + app + " 1.4.2 → 1.4.3"}},
		{"38-document-added", file(manifest, deployment, two), ClassConfig, "", nil},
		{"38-document-removed", file(manifest, two, deployment), ClassConfig, "", nil},
		{"38-document-reordered", file(manifest, two, deployment+"---\n"+configMap), ClassConfig, "", nil},
		{"39-second-values-document", file(values, helm(`tag: "1"`), helm(`tag: "1"`)+"---\n"+helm(`tag: "2"`)), ClassRefused, CodeAmbiguous, nil},
		{"41-mode", link("100644", "100755"), ClassConfig, "", nil},
		{"42-symlink", link("100644", "120000"), ClassRefused, CodeMode, nil},
		{"42-gitlink", link("100644", "160000"), ClassRefused, CodeMode, nil},
		{"43-submodule", link("160000", "160000"), ClassConfig, "", nil},
		{"44-config-map", edited(manifest, configMap, "data:\n  image: app:1", "data:\n  image: app:2"), ClassConfig, "", nil},
		{"44-annotation", edited(manifest, configMap, "    image: app:1", "    image: app:2"), ClassConfig, "", nil},
		{"44-values-data", edited(values, "configMap:\n  data:\n    image: app:1\n", "app:1", "app:2"), ClassConfig, "", nil},
		{"44-values-annotation", edited(values, "podAnnotations:\n  image: app:1\n", "app:1", "app:2"), ClassConfig, "", nil},
		{"45-values-block", edited(manifest, "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec:\n  source:\n    helm:\n      values: |\n        image:\n          tag: 1.4.2\n", "1.4.2", "1.4.3"), ClassConfig, "", nil},
		{"46-chart", edited("charts/app/Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.4.2\nappVersion: 1.4.2\nimage: app:1\n", "app:1", "app:2"), ClassConfig, "", nil},
		{"46-chart-version", edited("charts/app/Chart.yaml", "name: app\nversion: 1.4.2\n", "1.4.2", "1.4.3"), ClassConfig, "", nil},
		{"47-too-large", edited(values, helm(`tag: "1"`)+strings.Repeat("# x\n", MaxFile/4), `"1"`, `"2"`), ClassRefused, CodeLimit, nil},
		{"47-alias-bomb", file(values, helm(`tag: "1"`), helm(`tag: "2"`)+bomb), ClassRefused, CodeUnreadable, nil},
		{"47-depth-bomb", file(values, helm(`tag: "1"`), helm(`tag: "2"`)+deep), ClassRefused, CodeLimit, nil},
		{"47-nul", file(values, helm(`tag: "1"`), helm(`tag: "2"`)+"# \x00\n"), ClassRefused, CodeBytes, nil},
		{"47-byte-order-mark", file(values, helm(`tag: "1"`), "\ufeff"+helm(`tag: "2"`)), ClassRefused, CodeBytes, nil},
		{"48-lfs", file(values, "version https://git-lfs.github.com/spec/v1\noid "+sumA+"\nsize 1\n", "version https://git-lfs.github.com/spec/v1\noid "+sumB+"\nsize 1\n"), ClassConfig, "", nil},
		{"48-sops", edited(values, helm(`tag: "1"`)+"sops:\n  mac: x\n", `"1"`, `"2"`), ClassConfig, "", nil},
		{"48-gitattributes", edited(".gitattributes", "image: app:1\n", "app:1", "app:2"), ClassConfig, "", nil},
		{"49-json", edited("envs/prod/pod.json", `{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"image":"reg/app:1"}]}}`, "app:1", "app:2"), ClassImage, "", []string{"spec.containers[0].image docker.io/reg/app 1 → 2"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			require.NotEqual(t, string(test.file.Before), string(test.file.After), "the case changes nothing")
			r := Classify([]File{test.file}, Rules{})
			require.Equal(t, test.want, r.Class, "%+v", r)
			if test.moves == nil {
				test.moves = []string{}
			}
			require.Equal(t, test.moves, moveTexts(r))
			if test.want == ClassImage {
				require.Equal(t, string(test.file.Before), undo(test.file, r.Moves))
			}
			if test.want == ClassRefused {
				require.Len(t, r.Findings, 1)
				require.Equal(t, test.code, r.Findings[0].Code, r.Findings[0].Text)
			} else {
				require.Empty(t, r.Findings)
			}
		})
	}

	t.Run("40-rename", func(t *testing.T) {
		gone, come := bump, bump
		gone.After, gone.Modes = nil, Modes{Before: "100644"}
		come.Path, come.Before, come.Modes = "envs/prod/other.yaml", nil, Modes{After: "100644"}
		require.Equal(t, ClassConfig, Classify([]File{gone, come}, Rules{}).Class)
	})
	t.Run("50-squash-and-rebase", func(t *testing.T) {
		first := edited(values, helm(`tag: "1.4.2"`), "1.4.2", "1.4.3", "replicas: 2", "replicas: 9")
		second := edited(values, string(first.After), "replicas: 9", "replicas: 2")
		net := file(values, string(first.Before), string(second.After))
		require.Equal(t, ClassImage, Classify([]File{net}, Rules{}).Class)
		require.Equal(t, ClassConfig, Join(Classify([]File{first}, Rules{}), Classify([]File{second}, Rules{})).Class)
	})
	t.Run("51-signatures", func(t *testing.T) {
		// Both commits are image changes; that the second is not signed is for the
		// image quorum to say, which asks for the signature of every commit.
		first := edited(values, helm(`tag: "1.4.2"`), "1.4.2", "1.4.3")
		second := edited(values, string(first.After), "1.4.3", "1.4.4")
		r := Join(Classify([]File{first}, Rules{}), Classify([]File{second}, Rules{}))
		require.Equal(t, ClassImage, r.Class)
		require.Len(t, r.Moves, 2)
	})
	t.Run("52-out-of-scope", func(t *testing.T) {
		scope := approval.ProtectedRepository{Paths: []string{"envs/prod/**"}}
		var files []File
		for _, f := range []File{edited("envs/dev/values.yaml", helm("tag: a"), "tag: a", "tag: b")} {
			if scope.CoversChange(approval.Change{Path: f.Path, Before: approval.Entry{Mode: f.Modes.Before}, After: approval.Entry{Mode: f.Modes.After}}) {
				files = append(files, f)
			}
		}
		require.Equal(t, ClassNone, Classify(files, Rules{}).Class)
	})
}
