// Command injector puts pods through the handler of Istio's own injection webhook, as a cluster would: defaults of the API
// server, the webhook with the templates, values and mesh configuration that Istio's chart renders, defaults once more.
//
// It reads questions as JSON lines, answers each with a JSON line in the same order, and ends with an error where a question
// itself is wrong. A question without a pod asks what was installed.
//
// Of istio.io/api, istio.io/client-go and go-control-plane the module proxy refuses the versions that this one of Istio
// asks for; go.mod has the next ones that it serves.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"istio.io/istio/pkg/log"
)

// question is a pod to inject by an installation of Istio.
type question struct {
	ID   string `json:"id"`
	Mode string `json:"mode"`
	// Values of the chart istiod beyond its defaults.
	Values map[string]any  `json:"values"`
	Pod    json.RawMessage `json:"pod"`
	// The same pod without what its author forged.
	Genuine json.RawMessage `json:"genuine"`
}

type answer struct {
	ID string `json:"id"`
	// Why the injector refused the pod.
	Error string `json:"error,omitempty"`
	// The pod as the API server would store it.
	Pod *corev1.Pod `json:"pod,omitempty"`
	// What became of the genuine one.
	Genuine *corev1.Pod `json:"genuine,omitempty"`
	// What the forgery achieved, where there is a genuine pod to compare with.
	Effect *effect `json:"effect,omitempty"`
	// What was installed of the injector, where no pod was given: its ConfigMaps and its webhooks.
	Objects []json.RawMessage `json:"objects,omitempty"`
}

func main() {
	// Istio writes its warnings where the answers go.
	for _, scope := range log.Scopes() {
		scope.SetOutputLevel(log.NoneLevel)
	}
	// There is memory enough for a short life, and a third of the time would be spent on collecting it.
	debug.SetGCPercent(400)
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	questions, err := read(in)
	if err != nil {
		return err
	}
	answers := make([]answer, len(questions))
	// The layout of sidecars is a setting of the whole process, so there is one round for each.
	for _, native := range []bool{true, false} {
		setNative(native)
		if err := round(questions, answers, native); err != nil {
			return err
		}
	}
	buffered := bufio.NewWriter(out)
	replies := json.NewEncoder(buffered)
	for _, reply := range answers {
		if err := replies.Encode(reply); err != nil {
			return err
		}
	}
	return buffered.Flush()
}

func read(in io.Reader) ([]question, error) {
	var questions []question
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 1<<20), 1<<24)
	for lines.Scan() {
		var q question
		if err := decode(lines.Bytes(), &q); err != nil {
			return nil, err
		}
		if _, known := layouts[q.Mode]; !known {
			return nil, fmt.Errorf("%s: unknown mode %q", q.ID, q.Mode)
		}
		questions = append(questions, q)
	}
	return questions, lines.Err()
}

// round answers the questions of one layout on all processors.
func round(questions []question, answers []answer, native bool) error {
	var work sync.WaitGroup
	next := make(chan int)
	failures := make(chan error, len(questions))
	for range runtime.GOMAXPROCS(0) {
		work.Go(func() {
			for i := range next {
				reply, err := questions[i].answer()
				if err != nil {
					failures <- fmt.Errorf("%s: %w", questions[i].ID, err)
				}
				answers[i] = reply
			}
		})
	}
	for i, q := range questions {
		if layouts[q.Mode].native == native {
			next <- i
		}
	}
	close(next)
	work.Wait()
	close(failures)
	return <-failures
}

func (q question) answer() (answer, error) {
	reply := answer{ID: q.ID}
	installed, err := installationOf(q.Mode, q.Values)
	if err != nil {
		return reply, err
	}
	if q.Pod == nil {
		reply.Objects = installed.objects
		return reply, nil
	}
	submitted, err := readPod(q.Pod)
	if err != nil {
		return reply, err
	}
	reply.Pod, err = installed.inject(submitted)
	if errors.As(err, &refusal{}) {
		reply.Error = err.Error()
	} else if err != nil {
		return reply, err
	}
	if q.Genuine == nil {
		return reply, nil
	}
	genuine, err := readPod(q.Genuine)
	if err != nil {
		return reply, err
	}
	if reply.Genuine, err = installed.inject(genuine); err != nil || reply.Pod == nil {
		return reply, err
	}
	if !valid(reply.Genuine) {
		return reply, errors.New("the API server would refuse the genuine pod")
	}
	twin, plain, err := installed.twins(genuine, reply.Genuine, submitted)
	if err != nil {
		return reply, err
	}
	found := compare(reply.Pod, reply.Genuine, twin, plain)
	reply.Effect = &found
	return reply, nil
}

// layoutAnnotation chooses the place of the sidecar in one pod.
const layoutAnnotation = "sidecar.istio.io/nativeSidecar"

// twins returns what becomes of the genuine pod in the layout of the forged one, and of that without what its author says
// of the injector's containers. Of most pods both are what became of the genuine one, which is given.
func (i *installation) twins(genuine, injected, forged *corev1.Pod) (twin, plain *corev1.Pod, err error) {
	pod := genuine.DeepCopy()
	twin = injected
	if layout, chosen := forged.Annotations[layoutAnnotation]; chosen {
		metav1.SetMetaDataAnnotation(&pod.ObjectMeta, layoutAnnotation, layout)
		if twin, err = i.inject(pod); err != nil {
			return nil, nil, err
		}
	}
	isInjected := func(c corev1.Container) bool { return slices.Contains(injectedNames, c.Name) }
	if !slices.ContainsFunc(slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers), isInjected) {
		return twin, twin, nil
	}
	pod.Spec.InitContainers = slices.DeleteFunc(pod.Spec.InitContainers, isInjected)
	pod.Spec.Containers = slices.DeleteFunc(pod.Spec.Containers, isInjected)
	plain, err = i.inject(pod)
	return twin, plain, err
}

func readPod(data []byte) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	return pod, decode(data, pod)
}

// decode reads JSON and refuses fields that do not exist: they would be mistakes of the questions.
func decode(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}
