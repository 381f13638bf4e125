{{- /*
The operator's rights over what is namespaced: bound by a ClusterRole for the whole cluster, or by a Role in each
watched namespace. It never creates pods, reads no Secret, and has no wildcard. Reads are listings and watches: nothing
is fetched by name.
*/ -}}
{{- define "tightrope.rules" -}}
# What it reads.
- apiGroups: [tightrope.dev]
  resources: [inferencedeployments]
  verbs: [list, watch]
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods, services]
  verbs: [list, watch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list, watch]
# What it owns. Server-side apply asks for create where the object is new, and always for patch.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [create, patch]
# Replicas, of its own workloads and of those it was asked to scale.
- apiGroups: [apps]
  resources: [deployments/scale, statefulsets/scale]
  verbs: [patch]
{{- if .Values.leaderWorkerSets.enabled }}
# The same of groups of pods.
- apiGroups: [leaderworkerset.x-k8s.io]
  resources: [leaderworkersets]
  verbs: [list, watch]
- apiGroups: [leaderworkerset.x-k8s.io]
  resources: [leaderworkersets/scale]
  verbs: [patch]
{{- end }}
# What it says.
- apiGroups: [tightrope.dev]
  resources: [inferencedeployments/status]
  verbs: [patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
