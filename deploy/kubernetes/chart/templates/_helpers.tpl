{{- define "weir.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains "weir" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-weir" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The labels that say which pods are meant; they cannot be changed once installed. Takes a dict of root and component. */}}
{{- define "weir.selector" -}}
app.kubernetes.io/name: weir
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "weir.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{ include "weir.selector" . }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "weir.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* The registry that weir's own image comes from, as nodes call it. */}}
{{- define "weir.imageRegistry" -}}
{{- $first := splitList "/" .Values.image.repository | first -}}
{{- if and (contains "/" .Values.image.repository) (or (contains "." $first) (contains ":" $first) (eq $first "localhost")) -}}
{{- $first -}}
{{- else -}}
docker.io
{{- end -}}
{{- end -}}

{{- define "weir.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "weir.fullname" .) -}}
{{- end -}}

{{/* Whether the API server is asked for anything: not where weir watches no cluster or another one. */}}
{{- define "weir.watches" -}}
{{- if eq .Values.mode "agent" -}}true
{{- else if and (eq .Values.mode "server") (eq (dig "cluster" "kubernetes" "auto" .Values.config) "auto") -}}true
{{- end -}}
{{- end -}}

{{- define "weir.scheme" -}}
{{- if .Values.tls.secretName }}https{{ else }}http{{ end -}}
{{- end -}}

{{/* What pods of the restricted profile say of themselves. */}}
{{- define "weir.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
# A store holds a great many files: their group is only set where the directory's is wrong.
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "weir.containerSecurityContext" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "weir.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Where a pod goes. Takes the values of one component. */}}
{{- define "weir.placement" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A volume with the one file FILE of a Secret's or ConfigMap's key. Takes a dict of name, file and from. */}}
{{- define "weir.fileVolume" -}}
- name: {{ .name }}
  {{- if .from.secret }}
  secret:
    secretName: {{ .from.secret }}
    # Read by the container's user through the pod's group.
    defaultMode: 0440
    items:
      - key: {{ .from.key }}
        path: {{ .file }}
  {{- else }}
  configMap:
    name: {{ .from.configMap }}
    items:
      - key: {{ .from.key }}
        path: {{ .file }}
  {{- end }}
{{- end -}}

{{- define "weir.probe" -}}
{{- if .closed -}}
tcpSocket:
  port: report
{{- else -}}
httpGet:
  path: {{ .path }}
  port: report
  scheme: {{ .scheme }}
{{- end -}}
{{- end -}}
