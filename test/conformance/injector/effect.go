package main

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/ptr"

	"istio.io/istio/pkg/kube/inject"
)

// effect is what a forgery achieved, judged by the final pods alone: independent of the guard's rules.
type effect struct {
	// Kind is the gravest of these that holds:
	//
	//	forged     an injected container or volume is not the genuine one, or something runs before or without redirection
	//	invalid    likewise, but the API server would not store the pod
	//	weakened   the proxy is less hardened, and has no privilege more
	//	harmless   something else differs: resources, ports, HTTP probes, what the proxy is told about the application
	//	identical  nothing differs but annotations
	Kind string   `json:"kind"`
	Why  []string `json:"why"`
}

var injectedNames = []string{inject.ProxyContainerName, inject.InitContainerName, inject.ValidationContainerName}

// place is where a container of an injected name stands.
type place struct {
	list, name string
}

// compare tells what a forgery achieved. The twin is the genuine pod in the layout of the forged one: where the sidecar is
// started, an author may choose, as long as nothing runs before the redirection because of it. The plain one is its twin
// without a word of the author on injected containers: that a forgery makes the injector ignore it harms nobody.
func compare(forged, genuine, twin, plain *corev1.Pod) effect {
	why := slices.Concat(
		changedContainers(forged, twin, plain),
		changedVolumes(forged, twin),
		early(forged, genuine),
		changedRedirection(forged, twin),
	)
	switch {
	case len(why) > 0 && !valid(forged):
		return effect{Kind: "invalid", Why: why}
	case len(why) > 0:
		return effect{Kind: "forged", Why: why}
	case isWeakened(forged, twin) && isWeakened(forged, plain):
		return effect{Kind: "weakened", Why: []string{}}
	case equality.Semantic.DeepEqual(forged.Spec, twin.Spec):
		return effect{Kind: "identical", Why: []string{}}
	}
	return effect{Kind: "harmless", Why: []string{}}
}

func changedContainers(forged, genuine, plain *corev1.Pod) []string {
	var why []string
	had, has, bare := injectedOf(genuine), injectedOf(forged), injectedOf(plain)
	for _, at := range slices.SortedFunc(maps.Keys(had), comparePlaces) {
		if len(has[at]) == 0 {
			why = append(why, fmt.Sprintf("%s/%s is missing", at.list, at.name))
		}
	}
	for _, at := range slices.SortedFunc(maps.Keys(has), comparePlaces) {
		if len(had[at]) == 0 || len(has[at]) > 1 {
			why = append(why, fmt.Sprintf("%s/%s is not the injector's", at.list, at.name))
			continue
		}
		// The same places hold containers in all but the forged pod.
		fields := changedFields(hardened(has[at][0], had[at][0]), had[at][0])
		ofBare := changedFields(hardened(has[at][0], bare[at][0]), bare[at][0])
		for _, field := range fields {
			if slices.Contains(ofBare, field) {
				why = append(why, at.name+"."+field)
			}
		}
	}
	return why
}

func comparePlaces(a, b place) int {
	return cmp.Or(cmp.Compare(a.list, b.list), cmp.Compare(a.name, b.name))
}

func injectedOf(pod *corev1.Pod) map[place][]corev1.Container {
	found := map[place][]corev1.Container{}
	note := func(list string, containers []corev1.Container) {
		for _, c := range containers {
			if at := (place{list, c.Name}); slices.Contains(injectedNames, c.Name) {
				found[at] = append(found[at], c)
			}
		}
	}
	note("initContainers", pod.Spec.InitContainers)
	note("containers", pod.Spec.Containers)
	return found
}

// changedFields returns the fields of an injected container that differ and matter.
func changedFields(forged, genuine corev1.Container) []string {
	a, b := reflect.ValueOf(essence(forged)), reflect.ValueOf(essence(genuine))
	var fields []string
	for i := range a.NumField() {
		if !equality.Semantic.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			fields = append(fields, a.Type().Field(i).Name)
		}
	}
	return fields
}

// hardened returns the proxy with the genuine hardening, where without it it has no more privileges: a process of another
// user than root has no capabilities, and without escalation files give it none.
func hardened(c, genuine corev1.Container) corev1.Container {
	if c.Name != inject.ProxyContainerName || c.SecurityContext == nil || genuine.SecurityContext == nil {
		return c
	}
	context := c.SecurityContext.DeepCopy()
	c.SecurityContext = context
	context.ReadOnlyRootFilesystem = genuine.SecurityContext.ReadOnlyRootFilesystem
	if ptr.Deref(context.RunAsUser, 0) == 0 || ptr.Deref(context.AllowPrivilegeEscalation, true) {
		return c
	}
	context.RunAsNonRoot = genuine.SecurityContext.RunAsNonRoot
	if context.Capabilities != nil && genuine.SecurityContext.Capabilities != nil {
		context.Capabilities.Drop = genuine.SecurityContext.Capabilities.Drop
	}
	return c
}

func isWeakened(forged, genuine *corev1.Pod) bool {
	had, has := inject.FindSidecar(genuine), inject.FindSidecar(forged)
	return had != nil && has != nil && !equality.Semantic.DeepEqual(had.SecurityContext, has.SecurityContext)
}

// What the injector tells the proxy about containers and ports of the application.
var told = []string{"ISTIO_META_APP_CONTAINERS", "ISTIO_META_POD_PORTS"}

// essence leaves out what an author may set, and orders lists whose order means nothing.
func essence(c corev1.Container) corev1.Container {
	c.Resources = corev1.ResourceRequirements{}
	c.Ports = nil
	// With the image "auto" the API server fills in another one than with the injector's.
	c.ImagePullPolicy = ""
	// Where the reason for its end is read from.
	c.TerminationMessagePolicy = ""
	c.LivenessProbe, c.ReadinessProbe, c.StartupProbe = ran(c.LivenessProbe), ran(c.ReadinessProbe), ran(c.StartupProbe)
	c.Env = slices.Clone(c.Env)
	slices.SortStableFunc(c.Env, func(a, b corev1.EnvVar) int { return cmp.Compare(a.Name, b.Name) })
	for i := range c.Env {
		if slices.Contains(told, c.Env[i].Name) && c.Env[i].ValueFrom == nil {
			c.Env[i].Value = ""
		}
	}
	c.Env = slices.DeleteFunc(c.Env, func(env corev1.EnvVar) bool { return isIdle(c.Name, env) })
	c.VolumeMounts = slices.Clone(c.VolumeMounts)
	slices.SortStableFunc(c.VolumeMounts, func(a, b corev1.VolumeMount) int { return cmp.Compare(a.MountPath, b.MountPath) })
	return c
}

// Variables that only istio-iptables reads (tools/istio-iptables/pkg/constants), which the proxy's container does not run.
var ofRedirection = []string{"ISTIO_OUTBOUND_OWNER_GROUPS", "ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE", "SKIP_RULE_APPLY"}

// isIdle returns whether a variable changes nothing: nobody reads it, or it says what holds without it.
func isIdle(container string, env corev1.EnvVar) bool {
	switch env.Name {
	case "DISABLE_ENVOY":
		off, err := strconv.ParseBool(env.Value)
		return env.ValueFrom == nil && (err != nil || !off)
	case "ISTIO_META_DNS_CAPTURE":
		return env.Value == "false"
	}
	return container == inject.ProxyContainerName && slices.Contains(ofRedirection, env.Name)
}

// ran leaves of a probe the program that it runs in the container.
func ran(probe *corev1.Probe) *corev1.Probe {
	if probe == nil || probe.Exec == nil {
		return nil
	}
	return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: probe.Exec}}
}

// changedVolumes returns which volumes of the proxy hold something else, or are open to other containers too: in them are
// the sockets by which Envoy gets its configuration and certificates.
func changedVolumes(forged, genuine *corev1.Pod) []string {
	var why []string
	had, has := volumesOf(genuine), volumesOf(forged)
	open := openedVolumes(genuine)
	for _, name := range slices.Sorted(maps.Keys(had)) {
		if !equality.Semantic.DeepEqual(had[name], has[name]) {
			why = append(why, "volume "+name)
		}
		for _, container := range openedVolumes(forged)[name] {
			if !slices.Contains(open[name], container) {
				why = append(why, container+" mounts "+name)
			}
		}
	}
	return why
}

// volumesOf returns the volumes that the proxy mounts, but for the token that every container has.
func volumesOf(pod *corev1.Pod) map[string]corev1.Volume {
	volumes := map[string]corev1.Volume{}
	proxy := inject.FindSidecar(pod)
	if proxy == nil {
		return volumes
	}
	for _, volume := range pod.Spec.Volumes {
		isMounted := func(mount corev1.VolumeMount) bool { return mount.Name == volume.Name }
		if volume.Name != tokenVolume && slices.ContainsFunc(proxy.VolumeMounts, isMounted) {
			volumes[volume.Name] = volume
		}
	}
	return volumes
}

// openedVolumes returns which containers of the application mount each volume.
func openedVolumes(pod *corev1.Pod) map[string][]string {
	open := map[string][]string{}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if slices.Contains(injectedNames, c.Name) {
			continue
		}
		for _, mount := range c.VolumeMounts {
			open[mount.Name] = append(open[mount.Name], c.Name)
		}
	}
	return open
}

// early returns the init containers that run before the redirection in the one pod and not in the other.
func early(forged, genuine *corev1.Pod) []string {
	known := beforeRedirection(genuine)
	var why []string
	for _, name := range beforeRedirection(forged) {
		if !slices.Contains(known, name) {
			why = append(why, name+" runs before the redirection")
		}
	}
	return why
}

// beforeRedirection returns the containers that start before istio-init ends; with the CNI plugin there are none.
func beforeRedirection(pod *corev1.Pod) []string {
	var names []string
	for _, c := range pod.Spec.InitContainers {
		if c.Name == inject.InitContainerName {
			return names
		}
		names = append(names, c.Name)
	}
	return nil
}
