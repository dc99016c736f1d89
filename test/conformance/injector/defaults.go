package main

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Written by hand after k8s.io/kubernetes, which is too large to import for this: pkg/apis/core/v1/defaults.go and
// zz_generated.defaults.go for the fields that pods of this suite have, and the admission plugins that fill in pods
// (ServiceAccount, Priority, DefaultTolerationSeconds). That they suffice is tested with pods of a real API server.

const (
	tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount"
	// The API server takes a random ending.
	tokenVolume = "kube-api-access-x7k2p"
)

// fillIn gives the pod what the API server fills in, before and after the webhooks.
func fillIn(pod *corev1.Pod) {
	spec := &pod.Spec
	setDefault(&spec.RestartPolicy, corev1.RestartPolicyAlways)
	setDefault(&spec.DNSPolicy, corev1.DNSClusterFirst)
	setDefault(&spec.SchedulerName, corev1.DefaultSchedulerName)
	setDefault(&spec.ServiceAccountName, "default")
	spec.DeprecatedServiceAccount = spec.ServiceAccountName
	point(&spec.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds)
	point(&spec.EnableServiceLinks, corev1.DefaultEnableServiceLinks)
	point(&spec.SecurityContext, corev1.PodSecurityContext{})
	point(&spec.Priority, 0)
	point(&spec.PreemptionPolicy, corev1.PreemptLowerPriority)
	for _, taint := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		tolerate(spec, taint)
	}
	for i := range spec.InitContainers {
		fillInContainer(&spec.InitContainers[i])
	}
	for i := range spec.Containers {
		fillInContainer(&spec.Containers[i])
	}
	mountToken(spec)
	for i := range spec.Volumes {
		fillInVolume(&spec.Volumes[i])
	}
	if spec.HostNetwork {
		fillInHostPorts(spec)
	}
}

func setDefault[T comparable](field *T, value T) {
	var empty T
	if *field == empty {
		*field = value
	}
}

func point[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func tolerate(spec *corev1.PodSpec, taint string) {
	for _, toleration := range spec.Tolerations {
		if toleration.Key == taint && toleration.Effect == corev1.TaintEffectNoExecute {
			return
		}
	}
	seconds := int64(300)
	spec.Tolerations = append(spec.Tolerations, corev1.Toleration{
		Key:               taint,
		Operator:          corev1.TolerationOpExists,
		Effect:            corev1.TaintEffectNoExecute,
		TolerationSeconds: &seconds,
	})
}

func fillInContainer(c *corev1.Container) {
	setDefault(&c.TerminationMessagePath, corev1.TerminationMessagePathDefault)
	setDefault(&c.TerminationMessagePolicy, corev1.TerminationMessageReadFile)
	setDefault(&c.ImagePullPolicy, pullPolicyOf(c.Image))
	for i := range c.Ports {
		setDefault(&c.Ports[i].Protocol, corev1.ProtocolTCP)
	}
	for _, env := range c.Env {
		if env.ValueFrom == nil {
			continue
		}
		if env.ValueFrom.FieldRef != nil {
			setDefault(&env.ValueFrom.FieldRef.APIVersion, "v1")
		}
		// A divisor is written out, if only as the text "0".
		if ref := env.ValueFrom.ResourceFieldRef; ref != nil && ref.Divisor.IsZero() {
			ref.Divisor = resource.MustParse("0")
		}
	}
	for name, limit := range c.Resources.Limits {
		if _, known := c.Resources.Requests[name]; !known {
			if c.Resources.Requests == nil {
				c.Resources.Requests = corev1.ResourceList{}
			}
			c.Resources.Requests[name] = limit.DeepCopy()
		}
	}
	for _, probe := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		fillInProbe(probe)
	}
	if c.Lifecycle != nil {
		for _, handler := range []*corev1.LifecycleHandler{c.Lifecycle.PostStart, c.Lifecycle.PreStop} {
			if handler != nil {
				fillInRequest(handler.HTTPGet)
			}
		}
	}
}

func pullPolicyOf(image string) corev1.PullPolicy {
	name := image[strings.LastIndex(image, "/")+1:]
	if strings.Contains(name, "@") {
		return corev1.PullIfNotPresent
	}
	if _, tag, tagged := strings.Cut(name, ":"); tagged && tag != "latest" {
		return corev1.PullIfNotPresent
	}
	return corev1.PullAlways
}

func fillInProbe(probe *corev1.Probe) {
	if probe == nil {
		return
	}
	setDefault(&probe.TimeoutSeconds, 1)
	setDefault(&probe.PeriodSeconds, 10)
	setDefault(&probe.SuccessThreshold, 1)
	setDefault(&probe.FailureThreshold, 3)
	fillInRequest(probe.HTTPGet)
	if probe.GRPC != nil {
		point(&probe.GRPC.Service, "")
	}
}

func fillInRequest(request *corev1.HTTPGetAction) {
	if request == nil {
		return
	}
	setDefault(&request.Path, "/")
	setDefault(&request.Scheme, corev1.URISchemeHTTP)
}

func fillInVolume(volume *corev1.Volume) {
	mode := int32(0o644)
	source := &volume.VolumeSource
	if *source == (corev1.VolumeSource{}) {
		source.EmptyDir = &corev1.EmptyDirVolumeSource{}
	}
	switch {
	case source.Secret != nil:
		point(&source.Secret.DefaultMode, mode)
	case source.ConfigMap != nil:
		point(&source.ConfigMap.DefaultMode, mode)
	case source.HostPath != nil:
		point(&source.HostPath.Type, corev1.HostPathUnset)
	case source.DownwardAPI != nil:
		point(&source.DownwardAPI.DefaultMode, mode)
		fillInItems(source.DownwardAPI.Items)
	case source.Projected != nil:
		point(&source.Projected.DefaultMode, mode)
		for _, part := range source.Projected.Sources {
			if part.ServiceAccountToken != nil {
				point(&part.ServiceAccountToken.ExpirationSeconds, 3600)
			}
			if part.DownwardAPI != nil {
				fillInItems(part.DownwardAPI.Items)
			}
		}
	}
}

func fillInItems(items []corev1.DownwardAPIVolumeFile) {
	for _, item := range items {
		if item.FieldRef != nil {
			setDefault(&item.FieldRef.APIVersion, "v1")
		}
	}
}

// mountToken does what the admission plugin ServiceAccount does where the account itself says nothing of its token.
func mountToken(spec *corev1.PodSpec) {
	if spec.AutomountServiceAccountToken != nil && !*spec.AutomountServiceAccountToken {
		return
	}
	mounted := false
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			mounted = mountInto(&containers[i]) || mounted
		}
	}
	isToken := func(volume corev1.Volume) bool { return volume.Name == tokenVolume }
	if !mounted || slices.ContainsFunc(spec.Volumes, isToken) {
		return
	}
	seconds := int64(3607)
	spec.Volumes = append(spec.Volumes, corev1.Volume{
		Name: tokenVolume,
		VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", ExpirationSeconds: &seconds}},
			{ConfigMap: &corev1.ConfigMapProjection{
				LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"},
				Items:                []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}},
			}},
			{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{
				{Path: "namespace", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.namespace"}},
			}}},
		}}},
	})
}

// mountInto returns whether the container got the token; one that has something mounted there keeps it.
func mountInto(c *corev1.Container) bool {
	for _, mount := range c.VolumeMounts {
		if mount.MountPath == tokenPath {
			return false
		}
	}
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: tokenVolume, ReadOnly: true, MountPath: tokenPath})
	return true
}

func fillInHostPorts(spec *corev1.PodSpec) {
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for _, c := range containers {
			for i := range c.Ports {
				setDefault(&c.Ports[i].HostPort, c.Ports[i].ContainerPort)
			}
		}
	}
}
