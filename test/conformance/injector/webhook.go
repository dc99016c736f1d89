package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"istio.io/istio/operator/pkg/helm"
	"istio.io/istio/operator/pkg/values"
	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/config/mesh/meshwatcher"
	"istio.io/istio/pkg/kube/inject"
	"istio.io/istio/pkg/kube/multicluster"
)

// layout is where istiod puts the sidecar, and who programs the redirection.
type layout struct {
	native, cni bool
}

var layouts = map[string]layout{
	"native":      {native: true},
	"classic":     {},
	"cni":         {native: true, cni: true},
	"cni-classic": {cni: true},
}

// setNative does what the environment variable ENABLE_NATIVE_SIDECARS of istiod does.
func setNative(native bool) {
	features.EnableNativeSidecars = features.NativeSidecarModeDisabled
	if native {
		features.EnableNativeSidecars = features.NativeSidecarModeEnabled
	}
}

// installation is istiod as the chart would install it, reduced to its injector.
type installation struct {
	objects []json.RawMessage
	handler http.Handler
}

// installations are made once each, by mode and values.
var installations sync.Map

func installationOf(mode string, chart map[string]any) (*installation, error) {
	key, err := json.Marshal([]any{mode, chart})
	if err != nil {
		return nil, err
	}
	once := sync.OnceValues(func() (*installation, error) { return install(layouts[mode], chart) })
	made, _ := installations.LoadOrStore(string(key), once)
	return made.(func() (*installation, error))()
}

// install starts the webhook with what the chart renders, as pilot/pkg/bootstrap (initSidecarInjector) does.
func install(sidecars layout, chart map[string]any) (*installation, error) {
	given := values.Map{"spec": map[string]any{"values": map[string]any{}}}
	given.MergeFrom(values.Map{"spec": map[string]any{"values": chart}})
	if !sidecars.native {
		if err := given.SetPath("spec.values.pilot.env.ENABLE_NATIVE_SIDECARS", "false"); err != nil {
			return nil, err
		}
	}
	if sidecars.cni {
		if err := given.SetPath("spec.values.pilot.cni.enabled", true); err != nil {
			return nil, err
		}
	}
	installed, data, err := render(given)
	if err != nil {
		return nil, err
	}
	revision := given.GetPathString("spec.values.revision")
	suffix := ""
	if revision != "" {
		suffix = "-" + revision
	}
	injector := data["istio-sidecar-injector"+suffix]
	config, err := inject.UnmarshalConfig([]byte(injector["config"]))
	if err != nil {
		return nil, err
	}
	meshConfig, err := mesh.ApplyMeshConfigDefaults(data["istio"+suffix]["mesh"])
	if err != nil {
		return nil, err
	}
	store := model.NewFakeStore()
	environment := &model.Environment{Watcher: meshwatcher.NewTestWatcher(meshConfig), ConfigStore: store}
	environment.SetPushContext(&model.PushContext{ProxyConfigs: model.GetProxyConfigs(store, meshConfig)})
	mux := http.NewServeMux()
	_, err = inject.NewWebhook(inject.WebhookParameters{
		Watcher:  fixed{config: &config, values: injector["values"]},
		Env:      environment,
		Mux:      mux,
		Revision: revision,
		// Without a cluster: the layout then follows the setting alone, not the nodes.
		MultiCluster: multicluster.NewFakeController(),
	})
	installed.handler = mux
	return installed, err
}

// render renders the chart, and returns with what concerns the injector the data of its ConfigMaps by name.
func render(given values.Map) (*installation, map[string]map[string]string, error) {
	rendered, _, err := helm.Render("istiod", "istio-system", "istio-control/istio-discovery", given, nil)
	if err != nil {
		return nil, nil, err
	}
	installed := &installation{}
	data := map[string]map[string]string{}
	for _, object := range rendered {
		kind := object.GetKind()
		if kind != "ConfigMap" && kind != "MutatingWebhookConfiguration" {
			continue
		}
		encoded, err := json.Marshal(object.Unstructured)
		if err != nil {
			return nil, nil, err
		}
		installed.objects = append(installed.objects, encoded)
		if kind != "ConfigMap" {
			continue
		}
		if data[object.GetName()], _, err = unstructured.NestedStringMap(object.Object, "data"); err != nil {
			return nil, nil, err
		}
	}
	return installed, data, nil
}

// fixed is an injector's configuration that never changes.
type fixed struct {
	config *inject.Config
	values string
}

func (fixed) SetHandler(func(*inject.Config, string) error) {}

func (fixed) Run(<-chan struct{}) {}

func (f fixed) Get() (*inject.Config, string, error) { return f.config, f.values, nil }

// refusal is what the injector says of a pod that it does not inject.
type refusal struct {
	message string
}

func (r refusal) Error() string { return r.message }

// inject returns the pod as it would be stored; the error is a refusal where the injector gave one.
func (i *installation) inject(submitted *corev1.Pod) (*corev1.Pod, error) {
	pod := submitted.DeepCopy()
	fillIn(pod)
	object, err := json.Marshal(pod)
	if err != nil {
		return nil, err
	}
	response, err := i.ask(pod.Namespace, object)
	if err != nil {
		return nil, err
	}
	if !response.Allowed {
		return nil, refusal{message: response.Result.Message}
	}
	if response.Patch != nil {
		if object, err = apply(object, response.Patch); err != nil {
			return nil, err
		}
	}
	final := &corev1.Pod{}
	if err := json.Unmarshal(object, final); err != nil {
		return nil, err
	}
	fillIn(final)
	return final, nil
}

// ask calls the webhook's handler as the API server would.
func (i *installation) ask(namespace string, object []byte) (*admissionv1.AdmissionResponse, error) {
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID:       "u-1",
			Kind:      metav1.GroupVersionKind{Version: "v1", Kind: "Pod"},
			Resource:  metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
			Namespace: namespace,
			Operation: admissionv1.Create,
			Object:    runtime.RawExtension{Raw: object},
		},
	})
	if err != nil {
		return nil, err
	}
	request := httptest.NewRequest(http.MethodPost, "/inject", bytes.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	i.handler.ServeHTTP(recorder, request)
	if recorder.Code != http.StatusOK {
		return nil, fmt.Errorf("the injector answered %d: %s", recorder.Code, recorder.Body)
	}
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(recorder.Body.Bytes(), &review); err != nil {
		return nil, err
	}
	if review.Response == nil {
		return nil, errors.New("the injector answered without a response")
	}
	return review.Response, nil
}

// apply applies a patch with the library of the API server.
func apply(object, patch []byte) ([]byte, error) {
	operations, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return nil, err
	}
	return operations.Apply(object)
}
