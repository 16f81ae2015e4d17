{{- /* The configuration file: the values' part, with what the chart decides. */ -}}
{{- define "gatekeeper.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $full := include "gatekeeper.fullname" . -}}
{{- $secrets := list -}}
{{- range .Values.secrets.github.webhookSecretKeys -}}
{{- $secrets = append $secrets (printf "/etc/gatekeeper/github/%s" .) -}}
{{- end -}}
{{- $github := merge (dict "privateKeyFile" (printf "/etc/gatekeeper/github/%s" .Values.secrets.github.privateKeyKey) "webhookSecretFiles" $secrets) (dig "github" dict $config) -}}
{{- $_ := set $config "github" $github -}}
{{- $argocd := merge (dict "tokenFile" (printf "/etc/gatekeeper/argocd/%s" .Values.secrets.argocd.tokenKey)) (dig "argocd" dict $config) -}}
{{- if and .Values.secrets.argocd.caKey (not $argocd.plaintext) -}}
{{- $_ = set $argocd "caFile" (printf "/etc/gatekeeper/argocd/%s" .Values.secrets.argocd.caKey) -}}
{{- end -}}
{{- $_ = set $config "argocd" $argocd -}}
{{- with .Values.secrets.tracing -}}
{{- if .existingSecret -}}
{{- $_ = set $config "tracing" (merge (dict "headersFile" (printf "/etc/gatekeeper/tracing/%s" .headersKey)) $config.tracing) -}}
{{- end -}}
{{- end -}}
{{- $_ = set $config "server" (dict "listen" ":8080") -}}
{{- $_ = set $config "dataDirectory" "/var/lib/gatekeeper" -}}
{{- with .Values.record.postgres -}}
{{- if .existingSecret -}}
{{- $postgres := dict "dsnFile" (printf "/etc/gatekeeper/record/%s" .dsnKey) -}}
{{- if .schema -}}{{- $_ = set $postgres "schema" .schema -}}{{- end -}}
{{- $_ = set $config "record" (dict "postgres" $postgres) -}}
{{- end -}}
{{- end -}}
{{- if include "gatekeeper.several" . -}}
{{- $_ = set $config "replicas" (dict "lease" $full "namespace" .Release.Namespace) -}}
{{- end -}}
{{- if .Values.enforcement.enabled -}}
{{- $enforcement := dig "enforcement" dict $config -}}
{{- $_ = set $enforcement "name" .Values.enforcement.name -}}
{{- $_ = set $enforcement "mode" .Values.enforcement.mode -}}
{{- $_ = set $enforcement "manage" .Values.enforcement.manage -}}
{{- $_ = set $enforcement "listen" ":8443" -}}
{{- $_ = set $enforcement "argocdNamespace" .Values.argocd.namespace -}}
{{- $_ = set $enforcement "service" (dict "namespace" .Release.Namespace "name" (printf "%s-admission" $full)) -}}
{{- if eq .Values.enforcement.certificate.source "managed" -}}
{{- $_ = set $enforcement "certificate" (dict "secret" (printf "%s/%s" .Release.Namespace (include "gatekeeper.admissionSecret" .))) -}}
{{- else -}}
{{- $dir := "/etc/gatekeeper/admission-tls/" -}}
{{- $_ = set $enforcement "certificate" (dict "certFile" (print $dir "tls.crt") "keyFile" (print $dir "tls.key") "caFile" (print $dir "ca.crt")) -}}
{{- end -}}
{{- $_ = set $config "enforcement" $enforcement -}}
{{- else -}}
{{- $_ = unset $config "enforcement" -}}
{{- end -}}
{{- if .Values.api.enabled -}}
{{- $api := dict "listen" ":8082" "certFile" "/etc/gatekeeper/api-tls/tls.crt" "keyFile" "/etc/gatekeeper/api-tls/tls.key" "kubernetes" .Values.api.kubernetes -}}
{{- if .Values.api.tokens.existingSecret -}}
{{- $tokens := list -}}
{{- range .Values.api.tokens.keys -}}
{{- $tokens = append $tokens (dict "name" . "file" (printf "/etc/gatekeeper/api-tokens/%s" .)) -}}
{{- end -}}
{{- $_ = set $api "tokens" $tokens -}}
{{- end -}}
{{- $_ = set $config "api" $api -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}
