{{- /*
What the schema cannot say in a sentence. The schema refuses names, types, bounds and enumerations, whose messages name
what is allowed; anything about the form of a text is refused here, with what to write instead.
*/ -}}
{{- define "tightrope.refuse" -}}
{{- $wrong := list -}}
{{- $name := "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$" -}}
{{- $metric := "^[a-zA-Z_:][a-zA-Z0-9_:]*$" -}}
{{- with .Values.prometheus.url -}}
{{- if not (regexMatch "^https?://[^/@?#\\s]+(/[^@?#\\s]*)?$" .) -}}
{{- $shown := contains "@" . | ternary "a URL with a user in it" (printf "%q" .) -}}
{{- $wrong = append $wrong (printf "prometheus.url is %s: write a base URL without user, password or query, as in http://prometheus-operated.monitoring:9090" $shown) -}}
{{- end -}}
{{- else -}}
{{- $wrong = append $wrong "prometheus.url is not set: write the base URL of your Prometheus, as in --set prometheus.url=http://prometheus-operated.monitoring:9090" -}}
{{- end -}}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9._:/]*[a-z0-9])?$" .Values.image.repository) -}}
{{- $wrong = append $wrong (printf "image.repository is %q: write a repository without tag, as in registry.example/tightrope" .Values.image.repository) -}}
{{- end -}}
{{- if not (regexMatch "^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$" .Values.image.tag) -}}
{{- $wrong = append $wrong (printf "image.tag is %q: write a tag, as in 0.1.0, or leave it empty for the version of the chart" .Values.image.tag) -}}
{{- end -}}
{{- if not (regexMatch "^(sha256:[0-9a-f]{64})?$" .Values.image.digest) -}}
{{- $wrong = append $wrong (printf "image.digest is %q: write sha256: and 64 hexadecimal digits, or leave it empty" .Values.image.digest) -}}
{{- end -}}
{{- range $index, $namespace := .Values.namespaces -}}
{{- if not (regexMatch $name $namespace) -}}
{{- $wrong = append $wrong (printf "namespaces[%d] is %q: write the name of a namespace, as in nlp" $index $namespace) -}}
{{- end -}}
{{- end -}}
{{- range $key, $value := .Values.operator.generic -}}
{{- if not (or (regexMatch $metric $value) (and (eq $value "") (has $key (list "ttftHistogram" "itlHistogram")))) -}}
{{- $wrong = append $wrong (printf "operator.generic.%s is %q: write a Prometheus name: letters, digits, _ and :, not starting with a digit" $key $value) -}}
{{- end -}}
{{- end -}}
{{- range $key, $value := .Values.operator.gateway -}}
{{- if not (or (regexMatch $metric $value) (and (eq $value "") (eq $key "requestsTotal"))) -}}
{{- $wrong = append $wrong (printf "operator.gateway.%s is %q: write a Prometheus name: letters, digits, _ and :, not starting with a digit" $key $value) -}}
{{- end -}}
{{- end -}}
{{- if not (regexMatch "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$" .Values.serviceAccount.name) -}}
{{- $wrong = append $wrong (printf "serviceAccount.name is %q: write lower-case letters, digits, - and ., as in tightrope, or leave it empty" .Values.serviceAccount.name) -}}
{{- end -}}
{{- range $kind := list "podMonitor" "serviceMonitor" -}}
{{- $interval := (index $.Values.monitoring $kind).interval -}}
{{- if not (regexMatch "^([0-9]+(ms|s|m|h))*$" $interval) -}}
{{- $wrong = append $wrong (printf "monitoring.%s.interval is %q: write a duration, as in 30s, or leave it empty" $kind $interval) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.monitoring.podMonitor.enabled .Values.monitoring.serviceMonitor.enabled -}}
{{- $wrong = append $wrong "monitoring.podMonitor.enabled and monitoring.serviceMonitor.enabled are both true, and would count everything twice: write false for one of them" -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "\n\n%s\n" (join "\n" $wrong)) -}}
{{- end -}}
{{- end -}}
