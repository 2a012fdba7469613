{{- define "weir.hasNodes" -}}
{{- if or .Values.node.enabled (eq .Values.mode "node") }}true{{ end -}}
{{- end -}}

{{/* Where a distribution keeps containerd's files, as JSON; what values say comes first. */}}
{{- define "weir.nodePaths" -}}
{{- $paths := dict -}}
{{- if eq .Values.node.distribution "containerd" -}}
{{- $paths = dict "config" "/etc/containerd/config.toml" "certsD" "/etc/containerd/certs.d" "socket" "/run/containerd/containerd.sock" -}}
{{- else if eq .Values.node.distribution "k3s" -}}
{{- $paths = dict "config" "/var/lib/rancher/k3s/agent/etc/containerd/config.toml" "certsD" "/var/lib/rancher/k3s/agent/etc/containerd/certs.d" "socket" "/run/k3s/containerd/containerd.sock" -}}
{{- else if eq .Values.node.distribution "rke2" -}}
{{- $paths = dict "config" "/var/lib/rancher/rke2/agent/etc/containerd/config.toml" "certsD" "/var/lib/rancher/rke2/agent/etc/containerd/certs.d" "socket" "/run/k3s/containerd/containerd.sock" -}}
{{- else if eq .Values.node.distribution "microk8s" -}}
{{- $paths = dict "config" "/var/snap/microk8s/current/args/containerd.toml" "certsD" "/var/snap/microk8s/current/args/certs.d" "socket" "/var/snap/microk8s/common/run/containerd.sock" -}}
{{- end -}}
{{- range $name, $path := .Values.node.paths -}}
{{- if $path -}}{{- $_ := set $paths $name $path -}}{{- end -}}
{{- end -}}
{{- range list "config" "certsD" "socket" -}}
{{- if not (get $paths .) -}}
{{- fail (printf "node.paths.%s: node.distribution \"custom\" presets nothing, so it has to be set" .) -}}
{{- end -}}
{{- end -}}
{{- toJson $paths -}}
{{- end -}}

{{/* Where nodes reach weir. */}}
{{- define "weir.nodeMirror" -}}
{{- if .Values.node.mirror -}}
{{- .Values.node.mirror -}}
{{- else if ne .Values.mode "server" -}}
{{- fail (printf "node.mirror: mode %q runs no weir here, so nodes have to be told where one is" .Values.mode) -}}
{{- else if .Values.tls.secretName -}}
{{- fail "node.mirror: with tls.secretName nodes have to be told a URL that the certificate is for; the service's address is none" -}}
{{- else -}}
{{/* Names of services are no names to containerd on a node: the kubelet sets these to the service's address when the pod starts. */}}
{{- $variable := printf "%s-mirror" (include "weir.fullname" .) | upper | replace "-" "_" -}}
{{- $address := printf "$(%s_SERVICE_HOST)" $variable -}}
{{- printf "http://%s:%d" (ternary (printf "[%s]" $address) $address (eq .Values.ipFamily "IPv6")) (int .Values.mirror.service.port) -}}
{{- end -}}
{{- end -}}
