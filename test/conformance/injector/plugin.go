package main

import (
	"fmt"
	"reflect"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"istio.io/istio/cni/pkg/plugin"
)

// changedRedirection returns how the CNI plugin would treat the pods differently, where it would redirect the genuine one.
func changedRedirection(forged, genuine *corev1.Pod) []string {
	had, err := redirection(genuine)
	if had == nil || err != nil {
		return nil
	}
	has, err := redirection(forged)
	if err != nil {
		// The plugin fails, and with it the pod: nothing gets out.
		return nil
	}
	if has == nil {
		return []string{"the CNI plugin skips the pod"}
	}
	if !reflect.DeepEqual(has, had) {
		return []string{fmt.Sprintf("the CNI plugin redirects %+v", *has)}
	}
	return nil
}

// redirection returns what the CNI plugin would program, nil where it would skip the pod. The tests are those of doAddRun
// in cni/pkg/plugin/plugin.go, which cannot be called without a network namespace.
func redirection(pod *corev1.Pod) (*plugin.Redirect, error) {
	info := plugin.ExtractPodInfo(pod)
	if info.Containers.Contains(plugin.ISTIOINIT) || !info.Containers.Contains(plugin.ISTIOPROXY) {
		return nil, nil
	}
	if off, err := strconv.ParseBool(info.ProxyEnvironments["DISABLE_ENVOY"]); err == nil && off {
		return nil, nil
	}
	if info.ProxyType != "" && info.ProxyType != "sidecar" {
		return nil, nil
	}
	asked := info.Annotations["sidecar.istio.io/inject"]
	if label, labelled := info.Labels["sidecar.istio.io/inject"]; labelled {
		asked = label
	}
	if on, err := strconv.ParseBool(asked); err == nil && !on {
		return nil, nil
	}
	if _, injected := info.Annotations["sidecar.istio.io/status"]; !injected {
		return nil, nil
	}
	return plugin.NewRedirect(info)
}
