package main

import (
	"encoding/json"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// valid returns false for what the API server refuses and forging leads to: a name used twice, a volume of two kinds, a
// variable with two values, a mount of nothing, a probe or hook with two handlers, or one in an init container that ends
// (k8s.io/kubernetes, pkg/apis/core/validation/validation.go).
func valid(pod *corev1.Pod) bool {
	names, volumes := map[string]bool{}, map[string]bool{}
	for _, volume := range pod.Spec.Volumes {
		volumes[volume.Name] = true
		// A volume is of one kind: what the JSON of a source names.
		source, err := json.Marshal(volume.VolumeSource)
		var kinds map[string]any
		if err != nil || json.Unmarshal(source, &kinds) != nil || len(kinds) != 1 {
			return false
		}
	}
	for i, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if names[c.Name] {
			return false
		}
		names[c.Name] = true
		ends := i < len(pod.Spec.InitContainers) && c.RestartPolicy == nil
		if ends && (c.Lifecycle != nil || c.LivenessProbe != nil || c.ReadinessProbe != nil || c.StartupProbe != nil) {
			return false
		}
		if slices.ContainsFunc(c.VolumeMounts, func(mount corev1.VolumeMount) bool { return !volumes[mount.Name] }) {
			return false
		}
		if slices.ContainsFunc(c.Env, func(env corev1.EnvVar) bool { return env.Value != "" && env.ValueFrom != nil }) {
			return false
		}
		for _, probe := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
			if probe != nil && count(probe.Exec != nil, probe.HTTPGet != nil, probe.TCPSocket != nil, probe.GRPC != nil) != 1 {
				return false
			}
		}
		if c.Lifecycle == nil {
			continue
		}
		for _, hook := range []*corev1.LifecycleHandler{c.Lifecycle.PostStart, c.Lifecycle.PreStop} {
			if hook != nil && count(hook.Exec != nil, hook.HTTPGet != nil, hook.TCPSocket != nil, hook.Sleep != nil) != 1 {
				return false
			}
		}
	}
	return true
}

func count(given ...bool) int {
	number := 0
	for _, is := range given {
		if is {
			number++
		}
	}
	return number
}
