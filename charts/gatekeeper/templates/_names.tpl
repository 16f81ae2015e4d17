{{- define "gatekeeper.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "gatekeeper.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "gatekeeper.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "gatekeeper.selector" -}}
app.kubernetes.io/name: {{ include "gatekeeper.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* What every object carries. */ -}}
{{- define "gatekeeper.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "gatekeeper.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: gatekeeper
{{- end -}}

{{- define "gatekeeper.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "gatekeeper.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "gatekeeper.subjects" -}}
subjects:
  - {kind: ServiceAccount, name: {{ include "gatekeeper.serviceAccount" . }}, namespace: {{ .Release.Namespace }}}
{{- end -}}

{{- define "gatekeeper.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- /* The Secret with the certificate that the API server is shown. */ -}}
{{- define "gatekeeper.admissionSecret" -}}
{{- if eq .Values.enforcement.certificate.source "existing" -}}
{{- .Values.enforcement.certificate.existingSecret -}}
{{- else if eq .Values.enforcement.certificate.source "cert-manager" -}}
{{- printf "%s-admission-tls" (include "gatekeeper.fullname" .) -}}
{{- else -}}
{{- printf "%s-admission" (include "gatekeeper.fullname" .) -}}
{{- end -}}
{{- end -}}

{{- define "gatekeeper.apiSecret" -}}
{{- if eq .Values.api.certificate.source "existing" -}}
{{- .Values.api.certificate.existingSecret -}}
{{- else -}}
{{- printf "%s-api-tls" (include "gatekeeper.fullname" .) -}}
{{- end -}}
{{- end -}}

{{- define "gatekeeper.claim" -}}
{{- .Values.persistence.existingClaim | default (printf "%s-data" (include "gatekeeper.fullname" .)) -}}
{{- end -}}

{{- /* Not empty when several replicas run, which then have a data directory each. */ -}}
{{- define "gatekeeper.several" -}}
{{- if gt (int .Values.replicas) 1 -}}true{{- end -}}
{{- end -}}

{{- /* Refuses what cannot work, with the reason. */ -}}
{{- define "gatekeeper.check" -}}
{{- if include "gatekeeper.several" . -}}
{{- if not .Values.record.postgres.existingSecret -}}
{{- fail "replicas: more than one is refused: the record is a SQLite file, which one process at a time writes; set replicas to 1, or keep the record in PostgreSQL (record.postgres.existingSecret)" -}}
{{- end -}}
{{- end -}}
{{- if not (dig "github" "appID" 0 .Values.config) -}}
{{- fail "config.github.appID is missing: the number of the GitHub App" -}}
{{- end -}}
{{- if not (dig "argocd" "server" "" .Values.config) -}}
{{- fail "config.argocd.server is missing: host:port of argocd-server, for example argocd-server.argocd.svc:443" -}}
{{- end -}}
{{- if .Values.secrets.tracing.existingSecret -}}
{{- if not (dig "tracing" "endpoint" "" .Values.config) -}}
{{- fail "config.tracing.endpoint is missing: secrets.tracing has headers for a collector, and none is named" -}}
{{- end -}}
{{- if dig "tracing" "headersFile" "" .Values.config -}}
{{- fail "config.tracing.headersFile and secrets.tracing.existingSecret both name the headers for the collector: leave one of them out" -}}
{{- end -}}
{{- end -}}
{{- if not (dig "gates" list .Values.config) -}}
{{- fail "config.gates is missing: at least one gate" -}}
{{- end -}}
{{- end -}}
