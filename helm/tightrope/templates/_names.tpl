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

{{- /* Names of a release for some namespaces in places that it shares with others. */ -}}
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

{{- /* The port in prometheus.url, or that of its scheme. */ -}}
{{- define "tightrope.prometheusPort" -}}
{{- include "tightrope.refuse" . -}}
{{- $url := urlParse .Values.prometheus.url -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- $port | default (eq $url.scheme "https" | ternary "443" "80") -}}
{{- end -}}
