// Reads JSON lines {"id": …, "text": …} and writes, for each, what the readers of the Kubernetes world make of the text:
//
//	one     sigs.k8s.io/yaml YAMLToJSON, as a program reads a text embedded in a ConfigMap or an annotation
//	strict  whether YAMLToJSONStrict (no key given twice) refuses it
//	stream  kubectl's reader of manifests: every document in turn, after an error the next ones too
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

type question struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// outcome is a value or an error.
type outcome struct {
	Value json.RawMessage `json:"value,omitempty"`
	Error string          `json:"error,omitempty"`
}

type answer struct {
	ID     string    `json:"id"`
	One    outcome   `json:"one"`
	Strict bool      `json:"strict"`
	Stream []outcome `json:"stream"`
}

func failed(err error) outcome {
	return outcome{Error: err.Error()}
}

func one(text []byte) outcome {
	value, err := yaml.YAMLToJSON(text)
	if err != nil {
		return failed(err)
	}
	return outcome{Value: value}
}

// object reads one raw document as kubectl does: into the generic form with whole numbers kept, which must be an object.
func object(raw []byte) outcome {
	var value map[string]interface{}
	if err := utiljson.Unmarshal(raw, &value); err != nil {
		return failed(err)
	}
	canonical, err := json.Marshal(value)
	if err != nil {
		return failed(err)
	}
	return outcome{Value: canonical}
}

// stream does what the StreamVisitor of k8s.io/cli-runtime does, and goes on after an error as far as the decoder can.
func stream(text []byte) []outcome {
	found := []outcome{}
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for errorsInRow := 0; errorsInRow < 3; {
		extension := runtime.RawExtension{}
		err := decoder.Decode(&extension)
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			errorsInRow++
			found = append(found, failed(err))
			continue
		}
		errorsInRow = 0
		raw := bytes.TrimSpace(extension.Raw)
		if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
			continue
		}
		found = append(found, object(raw))
	}
	return found
}

func answerTo(asked question) answer {
	text := []byte(asked.Text)
	_, err := yaml.YAMLToJSONStrict(text)
	return answer{ID: asked.ID, One: one(text), Strict: err == nil, Stream: stream(text)}
}

func main() {
	in := json.NewDecoder(bufio.NewReaderSize(os.Stdin, 1<<20))
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	write := json.NewEncoder(out)
	write.SetEscapeHTML(false)
	for {
		var asked question
		if err := in.Decode(&asked); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if err := write.Encode(answerTo(asked)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
