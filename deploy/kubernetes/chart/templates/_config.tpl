{{/* The budget for blobs: what is set, else 80 % of the volume; the rest is for the index, advisories and what is being written. */}}
{{- define "weir.blobBudget" -}}
{{- $set := dig "data" "blob_budget" "" .Values.config -}}
{{- $size := .Values.persistence.size -}}
{{- if $set -}}
{{- $set -}}
{{- else if hasSuffix "Ti" $size -}}
{{- printf "%dGiB" (div (mul (trimSuffix "Ti" $size | int64) 1024 80) 100) -}}
{{- else if hasSuffix "Gi" $size -}}
{{- printf "%dMiB" (div (mul (trimSuffix "Gi" $size | int64) 1024 80) 100) -}}
{{- else -}}
{{- fail (printf "persistence.size %q is not in whole Gi or Ti: set config.data.blob_budget, 80 %% of the volume" $size) -}}
{{- end -}}
{{- end -}}

{{/* Where people reach the console, without a slash at its end; empty where nobody said. */}}
{{- define "weir.publicUrl" -}}
{{- $set := dig "report" "public_url" "" .Values.config | trimSuffix "/" -}}
{{- if $set -}}
{{- $set -}}
{{- else if .Values.ingress.enabled -}}
{{- printf "%s://%s" (ternary "https" "http" (not (empty .Values.ingress.tlsSecretName))) .Values.ingress.host -}}
{{- end -}}
{{- end -}}

{{/* weir.toml of the server: config as it stands in the values, and what the chart knows better. */}}
{{- define "weir.toml" -}}
{{- $config := deepCopy .Values.config -}}
{{- $any := ternary "[::]" "0.0.0.0" (eq .Values.ipFamily "IPv6") -}}
{{- $listen := dict "mirror" (printf "%s:5000" $any) "report" (printf "%s:8080" $any) -}}
{{- if .Values.tls.secretName -}}
{{- $tls := dict "certificate" "/var/run/weir/tls/tls.crt" "key" "/var/run/weir/tls/tls.key" -}}
{{- with .Values.tls.clientCA -}}{{- $_ := set $tls "client_ca" . -}}{{- end -}}
{{- $_ := set $listen "tls" $tls -}}
{{- end -}}
{{- $_ := set $config "listen" $listen -}}
{{- $_ := set $config "data" (merge (dict "directory" "/var/lib/weir" "blob_budget" (include "weir.blobBudget" .)) (default dict $config.data)) -}}
{{- with include "weir.publicUrl" . -}}
{{- $_ := set $config "report" (merge (dict "public_url" .) (default dict $config.report)) -}}
{{- end -}}
{{/* Numbers of values are floating-point to Helm, and whole ones to weir. */}}
{{- if hasKey (default dict $config.scan) "fetch_concurrency" -}}
{{- $_ := set $config.scan "fetch_concurrency" (int64 $config.scan.fetch_concurrency) -}}
{{- end -}}
{{- range $key, $value := $config -}}
{{- if not $value -}}{{- $_ := unset $config $key -}}{{- end -}}
{{- end -}}
{{- toToml $config -}}
{{- end -}}

{{/* weir.toml of the nodes: which registries are pulled through weir. */}}
{{- define "weir.nodeToml" -}}
{{- $upstreams := .Values.config.upstream -}}
{{- if not $upstreams -}}
{{- $upstreams = list -}}
{{- range list "docker.io" "ghcr.io" "quay.io" "registry.k8s.io" "gcr.io" "public.ecr.aws" "mcr.microsoft.com" -}}
{{- $upstreams = append $upstreams (dict "name" .) -}}
{{- end -}}
{{- end -}}
{{- $left := .Values.node.exclude -}}
{{- if .Values.node.only -}}
{{/* A pod of weir that waits for weir's image, or any pod that waits for its sandbox, would wait for ever. */}}
{{- $left = concat $left (list (include "weir.imageRegistry" .) .Values.node.pauseImageRegistry) -}}
{{- end -}}
{{- $told := list -}}
{{- range $upstreams -}}
{{- if not (has .name $left) -}}
{{- $told = append $told (pick . "name" "url") -}}
{{- end -}}
{{- end -}}
{{- if not $told -}}
{{- fail (printf "no registry is left for nodes to pull through weir: %s are left out by node.exclude%s" (join ", " (uniq $left)) (ternary ", or by node.only since weir's image and the pause image come from there" "" .Values.node.only)) -}}
{{- end -}}
{{- $toml := dict "upstream" $told -}}
{{- with dig "cluster" "node_header" "" .Values.config -}}{{- $_ := set $toml "cluster" (dict "node_header" .) -}}{{- end -}}
{{- toToml $toml -}}
{{- end -}}
