{{- /* The name of everything namespaced: the release's, with "tightrope" in it. */ -}}
{{- define "tightrope.name" -}}
{{- if contains "tightrope" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-tightrope" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "tightrope.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "tightrope.name" .) -}}
{{- end -}}

{{- /* Cluster-scoped names of a release for some namespaces: two teams may choose the same release name. */ -}}
{{- define "tightrope.clusterName" -}}
{{- printf "%s-%s" (include "tightrope.name" .) .Release.Namespace -}}
{{- end -}}

{{- define "tightrope.selector" -}}
app.kubernetes.io/name: tightrope
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "tightrope.labels" -}}
{{ include "tightrope.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end -}}

{{- define "tightrope.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}
