{{- define "sallyport.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- /* Cut so that what is appended still fits into 63 characters. */}}
{{- define "sallyport.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "sallyport.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "sallyport.selectorLabels" -}}
app.kubernetes.io/name: {{ include "sallyport.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sallyport.labels" -}}
{{ include "sallyport.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: guard
app.kubernetes.io/part-of: sallyport
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "sallyport.image" -}}
{{- $registry := default .Values.image.registry .Values.global.imageRegistry -}}
{{- $name := ternary .Values.image.repository (printf "%s/%s" $registry .Values.image.repository) (empty $registry) -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $name .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end }}

{{- define "sallyport.secretName" -}}
{{- default (printf "%s-tls" (include "sallyport.fullname" .)) .Values.certificates.secretName -}}
{{- end }}

{{- define "sallyport.policyName" -}}
{{- printf "%s-policy" (include "sallyport.fullname" .) -}}
{{- end }}

{{- /* API servers ask in order of these names: before Istio's injector, which begins with "istio". */}}
{{- define "sallyport.registrationName" -}}
{{- printf "egress-%s" (include "sallyport.fullname" .) -}}
{{- end }}

{{- /*
Namespaces that the platform runs the mesh in. Those in which agents of the nodes are installed by other tools than Helm are
among them before they are there: nodes without agents take no pods.
*/}}
{{- define "sallyport.platformNamespaces" -}}
{{- concat (list .Values.istio.rootNamespace "istio-cni" "ztunnel") .Values.istio.gatewayNamespaces .Values.istio.agentNamespaces | uniq | sortAlpha | toJson -}}
{{- end }}

{{- /* Namespaces about whose pods nobody is ever asked: the cluster starts by them, and so does the guard. */}}
{{- define "sallyport.systemNamespaces" -}}
{{- list "kube-node-lease" "kube-public" "kube-system" .Release.Namespace | uniq | sortAlpha | toJson -}}
{{- end }}

{{- /* ConfigMaps that the guard reads in the root namespace. */}}
{{- define "sallyport.meshConfigMaps" -}}
{{- $names := list "istio-cni-config" -}}
{{- range .Values.istio.revisions -}}
{{- $suffix := ternary "" (printf "-%s" .) (eq . "default") -}}
{{- $names = concat $names (list (printf "istio%s" $suffix) (printf "istio-sidecar-injector%s" $suffix)) -}}
{{- end -}}
{{- $names | uniq | sortAlpha | toJson -}}
{{- end }}

{{- /* Namespaces besides the root namespace in which istio-cni may be configured. */}}
{{- define "sallyport.agentNamespaces" -}}
{{- without (concat (list "istio-cni" "kube-system") .Values.istio.agentNamespaces | uniq | sortAlpha) .Values.istio.rootNamespace | toJson -}}
{{- end }}

{{- /* What values say that would not do what they say. */}}
{{- define "sallyport.check" -}}
{{- if and (eq .Values.mode "enforce") (lt (int .Values.replicas) 2) -}}
{{- fail "mode: enforce needs replicas: 2 or more. With one guard, changes of the cluster stop whenever it is replaced." -}}
{{- end -}}
{{- $system := include "sallyport.systemNamespaces" . | fromJsonArray -}}
{{- range include "sallyport.platformNamespaces" . | fromJsonArray -}}
{{- if has . $system -}}
{{- fail (printf "istio: namespace %s is never asked about, so that the cluster and the guard can start; remove it from rootNamespace, gatewayNamespaces or agentNamespaces." .) -}}
{{- end -}}
{{- end -}}
{{- if eq (int .Values.webhook.port) (int .Values.metrics.port) -}}
{{- fail "webhook.port and metrics.port must differ." -}}
{{- end -}}
{{- end }}
