package payments

import "maps"

// The services of the team, one Application each.
const (
	// Payments is a multi-source Application: chart and $values.
	Payments = "payments"
	// Ledger is a single-source Helm Application.
	Ledger = "ledger"
	// Notifier is a kustomize Application.
	Notifier = "notifier"
)

// Services lists all services.
func Services() []string { return []string{Payments, Ledger, Notifier} }

// ValuesFile is the file that a configuration change of a service edits.
func ValuesFile(environment, service string) string {
	if service == Notifier {
		return "envs/" + environment + "/" + service + "/settings.yaml"
	}
	return "envs/" + environment + "/" + service + "/values.yaml"
}

// Values is the content of a values file with the given transfer limit, which
// ends up in the environment of the pods.
func Values(environment, service, limit string) string {
	if service == Notifier {
		return `apiVersion: apps/v1
kind: Deployment
metadata:
  name: notifier
spec:
  template:
    spec:
      containers:
        - name: notifier
          env:
            - name: TRANSFER_LIMIT
              value: "` + limit + `"
`
	}
	return `name: ` + service + `
environment: ` + environment + `
replicas: 2
image:
  repository: registry.example.com/payments/` + service + `
  tag: "1.4.2"
transferLimit: "` + limit + `"
`
}

// FirstLimit is the transfer limit that is live when a world begins.
const FirstLimit = "1000"

// files is the repository at its first commit.
func files() map[string]string {
	f := map[string]string{
		"README.md": "# env-overrides\n\nWhat runs where. Production changes need two approvals of the SRE team.\n",
		"charts/service/Chart.yaml": `apiVersion: v2
name: service
version: 1.0.0
`,
		"charts/service/values.yaml": `name: service
replicas: 1
transferLimit: "0"
`,
		"charts/service/templates/deployment.yaml": `apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Values.name }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels:
      app: {{ .Values.name }}
  template:
    metadata:
      labels:
        app: {{ .Values.name }}
    spec:
      containers:
        - name: {{ .Values.name }}
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}{{ with .Values.image.digest }}@{{ . }}{{ end }}"
          env:
            - name: TRANSFER_LIMIT
              value: {{ .Values.transferLimit | quote }}
`,
		"charts/service/templates/settings.yaml": `{{- with .Values.settings }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $.Values.name }}-settings
data:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.password }}
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ $.Values.name }}
stringData:
  password: {{ . | quote }}
{{- end }}
{{- with .Values.vaultToken }}
---
apiVersion: vault.acme.example.com/v1
kind: secret
metadata:
  name: {{ $.Values.name }}-vault
data:
  token: {{ . | b64enc | quote }}
{{- end }}
`,
		"bases/notifier/kustomization.yaml": "resources: [deployment.yaml]\n",
		"bases/notifier/deployment.yaml": `apiVersion: apps/v1
kind: Deployment
metadata:
  name: notifier
spec:
  replicas: 1
  selector:
    matchLabels:
      app: notifier
  template:
    metadata:
      labels:
        app: notifier
    spec:
      containers:
        - name: notifier
          image: registry.example.com/payments/notifier:2.0.1
`,
	}
	for _, environment := range []string{"dev", "stage", "prod"} {
		for _, service := range Services() {
			f[ValuesFile(environment, service)] = Values(environment, service, FirstLimit)
		}
		f["envs/"+environment+"/notifier/kustomization.yaml"] = "resources: [../../../bases/notifier]\npatches:\n  - path: settings.yaml\n"
	}
	return maps.Clone(f)
}

// scope is what the gate covers in the repository.
func scope() []string { return []string{"charts/**", "bases/**", "envs/prod/**"} }
