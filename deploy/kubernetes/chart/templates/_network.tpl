{{- define "weir.dnsPorts" -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.dnsPorts -}}
{{- $ports = concat $ports (list (dict "port" (int .) "protocol" "UDP") (dict "port" (int .) "protocol" "TCP")) -}}
{{- end -}}
{{- toYaml $ports -}}
{{- end -}}

{{/* Names are asked for, then TCP to the ports of registries, feeds and the API server, whose addresses nobody can list. */}}
{{- define "weir.egress" -}}
- ports:
    {{- include "weir.dnsPorts" . | nindent 4 }}
- ports:
    {{- range .Values.networkPolicy.egressPorts }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- with .Values.networkPolicy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The port of a URL. */}}
{{- define "weir.portOf" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- $port | default (ternary "443" "80" (eq $url.scheme "https")) -}}
{{- end -}}
