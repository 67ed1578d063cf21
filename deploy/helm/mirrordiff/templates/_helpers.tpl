{{/* The image of all three processes. */}}
{{- define "mirrordiff.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{/* Labels of a process's pods. Takes {root, process}. */}}
{{- define "mirrordiff.podLabels" -}}
{{- $labels := dict "app.kubernetes.io/name" "mirrordiff" "app.kubernetes.io/component" .process -}}
{{- if .root.Values.istio.enabled }}{{ $_ := set $labels "sidecar.istio.io/inject" "false" }}{{ end -}}
{{- toYaml (merge $labels (index .root.Values .process).podLabels) }}
{{- end }}

{{/* What the pods of all processes have in common. Takes {root, process}. */}}
{{- define "mirrordiff.pod" -}}
{{- $of := index .root.Values .process -}}
serviceAccountName: mirrordiff-{{ .process }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: 30
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.priorityClassName }}
priorityClassName: {{ quote . }}
{{- end }}
{{- with $of.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
# No runAsUser: the image has a numeric user, and OpenShift gives one of its own.
securityContext:
  runAsNonRoot: true
  seccompProfile: {type: RuntimeDefault}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {app.kubernetes.io/name: mirrordiff, app.kubernetes.io/component: {{ $.process }}}
  {{- end }}
{{- end }}

{{/* What their containers have in common, but for the variables. Takes {root, process}. */}}
{{- define "mirrordiff.container" -}}
image: {{ include "mirrordiff.image" .root }}
{{- with .root.Values.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
args: [{{ .process }}]
resources:
  {{- toYaml (index .root.Values .process).resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/*
The variables of a process: the chart's own, where values name none by the same name, then those of
the values. Each is there once, or a server-side apply would refuse them. Takes {own, values}.
*/}}
{{- define "mirrordiff.env" -}}
{{- $given := list }}
{{- range .values }}{{ $given = append $given .name }}{{ end }}
{{- $env := list }}
{{- range fromYamlArray .own }}
{{- if not (has .name $given) }}{{ $env = append $env . }}{{ end }}
{{- end }}
{{- toYaml (concat $env .values) }}
{{- end }}

{{/* The ConfigMap of policies: a file for the one gate, or a file for each gate in a folder. */}}
{{- define "mirrordiff.policies" -}}
{{- $policy := .Values.policy | default (ternary "mirrored: sampled" "{}\n" .Values.trial.enabled) -}}
{{- if .Values.gates -}}
{{- $files := dict "default.yaml" $policy -}}
{{- range $gate, $text := .Values.gates }}{{ $_ := set $files (printf "%s.yaml" $gate) $text }}{{ end -}}
{{- toYaml $files }}
{{- else -}}
{{- toYaml (dict "policy.yaml" $policy) }}
{{- end }}
{{- end }}
