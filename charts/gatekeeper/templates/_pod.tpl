{{- define "gatekeeper.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
# The record may be large: its owner is changed once, and not at every start.
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "gatekeeper.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- /* What the configuration file needs to be read: the program refuses it otherwise. */ -}}
{{- define "gatekeeper.configMounts" -}}
- {name: config, mountPath: /etc/gatekeeper/config, readOnly: true}
- {name: github, mountPath: /etc/gatekeeper/github, readOnly: true}
- {name: argocd, mountPath: /etc/gatekeeper/argocd, readOnly: true}
{{- if .Values.secrets.tracing.existingSecret }}
- {name: tracing, mountPath: /etc/gatekeeper/tracing, readOnly: true}
{{- end }}
{{- if .Values.record.postgres.existingSecret }}
- {name: record, mountPath: /etc/gatekeeper/record, readOnly: true}
{{- end }}
{{- if .Values.api.enabled }}
{{- if .Values.api.tokens.existingSecret }}
- {name: api-tokens, mountPath: /etc/gatekeeper/api-tokens, readOnly: true}
{{- end }}
{{- end }}
{{- range concat .Values.secrets.extra .Values.extraConfigMaps }}
- {name: extra-{{ .name }}, mountPath: /etc/gatekeeper/extra/{{ .name }}, readOnly: true}
{{- end }}
{{- with .Values.extraCA }}
{{- if .existingConfigMap }}
- {name: extra-ca, mountPath: /etc/ssl/certs/ca-certificates.crt, subPath: {{ .key }}, readOnly: true}
{{- end }}
{{- end }}
- {name: tmp, mountPath: /tmp}
{{- end -}}

{{- define "gatekeeper.configVolumes" -}}
- name: config
  configMap: {name: {{ include "gatekeeper.fullname" . }}, defaultMode: 0440}
- name: github
  secret: {secretName: {{ .Values.secrets.github.existingSecret }}, defaultMode: 0440}
- name: argocd
  secret: {secretName: {{ .Values.secrets.argocd.existingSecret }}, defaultMode: 0440}
{{- with .Values.secrets.tracing.existingSecret }}
- name: tracing
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- if .Values.record.postgres.existingSecret }}
- name: record
  secret: {secretName: {{ .Values.record.postgres.existingSecret }}, defaultMode: 0440}
{{- end }}
{{- if .Values.api.enabled }}
{{- if .Values.api.tokens.existingSecret }}
- name: api-tokens
  secret: {secretName: {{ .Values.api.tokens.existingSecret }}, defaultMode: 0440}
{{- end }}
{{- end }}
{{- range .Values.secrets.extra }}
- name: extra-{{ .name }}
  secret: {secretName: {{ .existingSecret }}, defaultMode: 0440}
{{- end }}
{{- range .Values.extraConfigMaps }}
- name: extra-{{ .name }}
  configMap: {name: {{ .existingConfigMap }}, defaultMode: 0440}
{{- end }}
{{- with .Values.extraCA.existingConfigMap }}
- name: extra-ca
  configMap: {name: {{ . }}, defaultMode: 0444}
{{- end }}
- name: tmp
  emptyDir: {sizeLimit: 1Gi}
{{- end -}}
