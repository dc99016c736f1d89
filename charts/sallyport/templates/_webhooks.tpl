{{- /*
What both configurations share. Every field that the API server would fill in is written out. Two are left to the guard,
which writes them when it is ready to answer: `rules`, which wait in an annotation, and `caBundle`. An entry without rules
is asked nothing, so an installation blocks nothing before the guard works. docs/decisions/0015-webhook-registration.md
*/}}
{{- define "sallyport.client" -}}
{{- $context := index . 0 -}}
clientConfig:
  service:
    name: {{ include "sallyport.fullname" $context }}
    namespace: {{ $context.Release.Namespace }}
    path: {{ index . 1 }}
    port: 443
admissionReviewVersions: [v1]
sideEffects: None
matchPolicy: Equivalent
# Whoever writes an object chooses its labels.
objectSelector: {}
{{- end }}

{{- /* Namespaces are chosen by name alone: other labels are written by those who would gain from them. */}}
{{- define "sallyport.namespaces" -}}
namespaceSelector:
  matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: {{ index . 0 }}
      values: {{ index . 1 | uniq | sortAlpha | toJson }}
{{- end }}

{{- /*
Keys by which Istio and networks are steered, and those that injection templates copy. No regular expression: what an
expression may cost is limited, and a pod may have thousands of annotations.
*/}}
{{- define "sallyport.judgedKey" -}}
(k.contains('istio.io/') || k.startsWith('gateway.networking.k8s.io/') ||
k.startsWith('resource.opentelemetry.io/') || k.startsWith('apm.datadoghq.com/') ||
k == 'k8s.v1.cni.cncf.io/networks' || k == 'v1.multus-cni.io/default-network')
{{- end }}

{{- /* What only carries out what was decided before: the guard passes it, so nobody need wait for it. */}}
{{- define "sallyport.cleanUp" -}}
- name: not-clean-up
  expression: >-
    request.operation != 'DELETE' || !(request.userInfo.username in
    ['system:serviceaccount:kube-system:namespace-controller', 'system:serviceaccount:kube-system:generic-garbage-collector'])
{{- end }}

{{- /* What the API server needs for itself while it starts; it would not start without. */}}
{{- define "sallyport.apiServer" -}}
- name: not-the-api-server
  expression: request.userInfo.username != 'system:apiserver'
{{- end }}

{{- /* Copies and books of network plugins, which pods need to start. docs/decisions/0011-accounts-of-kubernetes.md */}}
{{- define "sallyport.plugins" -}}
- name: not-a-network-plugin
  expression: >-
    !(request.userInfo.username.startsWith('system:serviceaccount:kube-system:') && request.resource.group in
    ['cilium.io', 'crd.antrea.io', 'crd.projectcalico.org', 'k8s.ovn.org', 'network.openshift.io', 'projectcalico.org']) &&
    !(request.userInfo.username.matches('^system:serviceaccount:cilium:') && request.resource.group == 'cilium.io') &&
    !(request.userInfo.username.matches('^system:serviceaccount:(calico-apiserver|calico-system|tigera-operator):') &&
    request.resource.group in ['crd.projectcalico.org', 'projectcalico.org']) &&
    !(request.userInfo.username.matches('^system:serviceaccount:(openshift-ovn-kubernetes|ovn-kubernetes):') &&
    request.resource.group == 'k8s.ovn.org') &&
    !(request.userInfo.username.matches('^system:serviceaccount:openshift-sdn:') &&
    request.resource.group == 'network.openshift.io')
{{- end }}

{{- /*
Kubelets, network plugins and controllers write pods all the time: only what rules look at is asked about. A shell only
matters in the proxy, or where the container is not named; a Binding only with labels and annotations of the mesh.
*/}}
{{- define "sallyport.pods" -}}
- name: judged-part-of-pod
  expression: >-
    request.operation != 'UPDATE' || request.resource.resource != 'pods' ||
    object.spec != oldObject.spec ||
    object.metadata.?labels.orValue({}) != oldObject.metadata.?labels.orValue({}) ||
    object.metadata.?annotations.orValue({}) != oldObject.metadata.?annotations.orValue({}) &&
    [[object, oldObject], [oldObject, object]].exists(pair, pair[0].metadata.?annotations.orValue({}).exists(k,
    {{ include "sallyport.judgedKey" . | nindent 4 | trim }} &&
    pair[0].metadata.?annotations[?k] != pair[1].metadata.?annotations[?k]))
- name: shell-in-proxy
  expression: >-
    request.operation != 'CONNECT' || object.?container.orValue('') in ['', 'istio-proxy']
- name: binding-with-metadata
  expression: >-
    request.kind.kind != 'Binding' ||
    object.metadata.?labels.orValue({}).exists(k,
    {{ include "sallyport.judgedKey" . | nindent 4 | trim }}) ||
    object.metadata.?annotations.orValue({}).exists(k,
    {{ include "sallyport.judgedKey" . | nindent 4 | trim }})
{{- end }}
