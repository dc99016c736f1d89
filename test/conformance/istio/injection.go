package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"sallyport.dev/conformance/istio/cni"
)

// InjectionParameters has the fields that the transcribed functions use.
type InjectionParameters struct {
	pod             *corev1.Pod
	defaultTemplate []string
	aliases         map[string][]string
}

var injectionAnswers = map[string]func(a []string) any{
	"injectorConfig": func(a []string) any {
		config, err := injectorConfig(a[0])
		if err != nil {
			return nil
		}
		return map[string]any{
			"policy":               config.Policy,
			"defaultTemplates":     config.DefaultTemplates,
			"aliases":              config.Aliases,
			"neverInjectSelector":  config.NeverInjectSelector,
			"alwaysInjectSelector": config.AlwaysInjectSelector,
		}
	},
	// Configuration, namespace, whether the pod is on the host's network, labels, annotations.
	"injectRequired": func(a []string) any {
		return required(a[0], a[1], a[2], labelMap(a[3]), labelMap(a[4]))
	},
	// Configuration, annotations.
	"templates": func(a []string) any {
		config, err := injectorConfig(a[0])
		if err != nil {
			return nil
		}
		return selectTemplates(InjectionParameters{
			pod:             &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: labelMap(a[1])}},
			defaultTemplate: config.DefaultTemplates,
			aliases:         config.Aliases,
		})
	},
	// Installations, labels of the namespace, labels of the pod.
	"webhooks": func(a []string) any {
		return called(a[0], labelMap(a[1]), labelMap(a[2]))
	},
	// Installations, labels of the namespace, then as injectRequired.
	"injected": func(a []string) any {
		called := called(a[0], labelMap(a[1]), labelMap(a[5]))
		return len(called) > 0 && required(a[2], a[3], a[4], labelMap(a[5]), labelMap(a[6]))
	},
	"annotation": func(a []string) any {
		return validateAnnotations(map[string]string{a[0]: a[1]}) == nil
	},
	"annotations": func(a []string) any {
		return validateAnnotations(labelMap(a[0])) == nil
	},
	"cniAnnotation": func(a []string) any {
		return cni.Takes(a[0], a[1])
	},
}

var configs = map[string]*Config{}

// injectorConfig reads what UnmarshalConfig reads, but does not parse the templates.
func injectorConfig(text string) (*Config, error) {
	if config, known := configs[text]; known {
		return config, nil
	}
	var config Config
	if err := yaml.Unmarshal([]byte(text), &config); err != nil {
		return nil, err
	}
	if len(config.DefaultTemplates) == 0 {
		config.DefaultTemplates = []string{"sidecar"}
	}
	configs[text] = &config
	return &config, nil
}

func required(config, namespace, hostNetwork string, labels, annotations map[string]string) bool {
	read, err := injectorConfig(config)
	if err != nil {
		panic(err)
	}
	spec := corev1.PodSpec{HostNetwork: hostNetwork == "true"}
	meta := metav1.ObjectMeta{Name: "a", Namespace: namespace, Labels: labels, Annotations: annotations}
	return injectRequired(IgnoredNamespaces.UnsortedList(), read, &spec, meta)
}

// installation is one release of Istio's chart for the control plane.
type installation struct {
	Revision  string   `json:"revision"`
	Tags      []string `json:"tags"`
	ByDefault bool     `json:"byDefault"`
}

// webhook is one webhook of the chart: the revision or tag of its configuration, its name's prefix, and what it selects.
type webhook struct {
	served, prefix      string
	namespaces, objects labels.Selector
}

var webhooks = map[string][]webhook{}

// called returns which webhooks the API server calls, as revision or tag and prefix.
func called(installations string, namespace, pod map[string]string) []string {
	all, known := webhooks[installations]
	if !known {
		all = render(installations)
		webhooks[installations] = all
	}
	names := []string{}
	for _, hook := range all {
		if hook.namespaces.Matches(labels.Set(namespace)) && hook.objects.Matches(labels.Set(pod)) {
			names = append(names, hook.served+"/"+hook.prefix)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// render renders the chart's templates of webhooks as Helm does.
func render(text string) []webhook {
	var installations []installation
	must(json.Unmarshal([]byte(text), &installations))
	var all []webhook
	for _, installed := range installations {
		for _, file := range []string{"mutatingwebhook.yaml", "revision-tags-mwc.yaml"} {
			for _, document := range strings.Split(renderFile(file, installed), "\n---\n") {
				var config admissionv1.MutatingWebhookConfiguration
				must(yaml.Unmarshal([]byte(document), &config))
				for _, hook := range config.Webhooks {
					all = append(all, readWebhook(&config, hook))
				}
			}
		}
	}
	return all
}

func readWebhook(config *admissionv1.MutatingWebhookConfiguration, hook admissionv1.MutatingWebhook) webhook {
	served, isTag := config.Labels["istio.io/tag"]
	if !isTag {
		served = config.Labels["istio.io/rev"]
	}
	namespaces, err := metav1.LabelSelectorAsSelector(hook.NamespaceSelector)
	must(err)
	objects, err := metav1.LabelSelectorAsSelector(hook.ObjectSelector)
	must(err)
	prefix := strings.TrimSuffix(hook.Name, "sidecar-injector.istio.io")
	return webhook{served: served, prefix: prefix, namespaces: namespaces, objects: objects}
}

func renderFile(file string, installed installation) string {
	folder := filepath.Join(os.Args[1], "manifests/charts/istio-control/istio-discovery/templates")
	chart := template.New("chart").Option("missingkey=zero")
	functions := sprig.TxtFuncMap()
	functions["include"] = func(name string, data any) (string, error) {
		var out bytes.Buffer
		err := chart.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	functions["toYaml"] = func(value any) (string, error) {
		out, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(out), "\n"), err
	}
	functions["fromYaml"] = func(text string) (map[string]any, error) {
		value := map[string]any{}
		return value, yaml.Unmarshal([]byte(text), &value)
	}
	chart.Funcs(functions)
	// The first file defines the labels that the second one includes.
	for _, name := range []string{"zzz_profile.yaml", file} {
		source, err := os.ReadFile(filepath.Join(folder, name))
		must(err)
		template.Must(chart.New(name).Parse(string(source)))
	}
	tags := []any{}
	for _, tag := range installed.Tags {
		tags = append(tags, tag)
	}
	var out bytes.Buffer
	must(chart.ExecuteTemplate(&out, file, map[string]any{
		"Release": map[string]any{"Name": "istiod", "Namespace": "istio-system", "Service": "Helm"},
		"Chart":   map[string]any{"Name": "istiod", "Version": "1.0.0", "AppVersion": "1.0.0"},
		"Values": map[string]any{
			"revision":     installed.Revision,
			"revisionTags": tags,
			"global":       map[string]any{"resourceScope": "all", "operatorManageWebhooks": false},
			"istiodRemote": map[string]any{"injectionPath": "/inject", "injectionURL": "", "injectionCABundle": ""},
			"sidecarInjectorWebhook": map[string]any{
				"enableNamespacesByDefault": installed.ByDefault,
				"reinvocationPolicy":        "Never",
			},
		},
	}))
	return out.String()
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
