{{- define "probity.labels" -}}
{{ include "probity.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "probity.selector" -}}
app.kubernetes.io/name: {{ .Release.Name }}
{{- end }}

{{- define "probity.policy" -}}
{{ .Values.policy | default (.Files.Get "files/policy.toml") }}
{{- end }}

{{/* Another text is another ConfigMap, and a rollout. The old one stays, for pods that still go by it. */}}
{{- define "probity.policyName" -}}
{{ .Release.Name }}-policy-{{ include "probity.policy" . | sha256sum | trunc 10 }}
{{- end }}

{{- define "probity.image" -}}
image: {{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- if ne .Values.image.pullPolicy "IfNotPresent" }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}
{{- end }}

{{/* Names by which the Service may be asked, and those that were added. */}}
{{- define "probity.hosts" -}}
{{- $name := .Release.Name -}}
{{- $within := printf "%s.%s" $name .Release.Namespace -}}
{{- concat (list $name $within (printf "%s.svc" $within) (printf "%s.svc.cluster.local" $within)) .Values.allowedHosts | join "," -}}
{{- end }}

{{/* A container of the broker's user, with no privilege at all. */}}
{{- define "probity.unprivileged" -}}
runAsUser: 1001
runAsGroup: 1001
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
