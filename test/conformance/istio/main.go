// Command istio answers questions about Istio's own functions: one JSON object {"op": …, "args": […]} per line in, one
// JSON value per line out. A text that a validator takes gives true, one that it refuses false. The argument of the command
// is the folder of the module istio.io/istio, in which it finds Istio's chart.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/host"
	"istio.io/istio/pkg/config/kube"
	istiolabels "istio.io/istio/pkg/config/labels"
	"istio.io/istio/pkg/config/protocol"
	"istio.io/istio/pkg/config/validation/agent"
	"istio.io/istio/pkg/config/visibility"
	"istio.io/istio/pkg/log"
	netutil "istio.io/istio/pkg/util/net"
)

type question struct {
	Op   string   `json:"op"`
	Args []string `json:"args"`
}

func answer(q question) any {
	a := q.Args
	switch q.Op {
	case "covers":
		return host.Name(a[1]).SubsetOf(host.Name(a[0]))
	case "overlaps":
		return host.Name(a[0]).Matches(host.Name(a[1]))
	case "wildcardDomain":
		return agent.ValidateWildcardDomain(a[0]) == nil
	case "fqdn":
		return agent.ValidateFQDN(a[0]) == nil
	case "subnet":
		return agent.ValidateIPSubnet(a[0]) == nil
	case "gatewayHost":
		return agent.ValidateNamespaceSlashWildcardHostname(a[0], true, false) == nil
	case "sidecarHost":
		return agent.ValidateNamespaceSlashWildcardHostname(a[0], false, false) == nil
	case "port":
		port, err := strconv.Atoi(a[0])
		return err == nil && agent.ValidatePort(port) == nil
	case "visibility":
		return visibility.Instance(a[0]).Validate() == nil
	case "protocol":
		return protocol.Parse(a[0])
	case "protocolClass":
		p := protocol.Parse(a[0])
		switch {
		case p.IsUnsupported():
			return "sniffed"
		case p.IsHTTP():
			return "http"
		case p.IsTLS():
			return "tls"
		case p.IsTCP():
			return "tcp"
		}
		return "udp"
	case "servicePort":
		var appProtocol *string
		if len(a) > 3 {
			appProtocol = &a[3]
		}
		number, _ := strconv.Atoi(a[0])
		return kube.ConvertProtocol(int32(number), a[1], corev1.Protocol(a[2]), appProtocol)
	case "address":
		address, err := netip.ParseAddr(a[0])
		if err != nil || address.Zone() != "" {
			return nil
		}
		return address.Unmap().String()
	case "prefix":
		prefix, err := netip.ParsePrefix(a[0])
		if err != nil {
			return nil
		}
		return prefix.Masked().String()
	case "selector":
		var selector metav1.LabelSelector
		if err := json.Unmarshal([]byte(a[0]), &selector); err != nil {
			return nil
		}
		parsed, err := metav1.LabelSelectorAsSelector(&selector)
		if err != nil {
			return nil
		}
		return parsed.Matches(labels.Set(labelMap(a[1])))
	case "mapSelects":
		return istiolabels.Instance(labelMap(a[0])).SubsetOf(labelMap(a[1]))
	case "interfaceNames":
		return netutil.ValidateInterfaceNames(a[0]) == nil
	case "includeIPRanges":
		return ValidateIncludeIPRanges(a[0]) == nil
	case "excludeIPRanges":
		return ValidateExcludeIPRanges(a[0]) == nil
	case "includeInboundPorts":
		return ValidateIncludeInboundPorts(a[0]) == nil
	case "excludeInboundPorts":
		return ValidateExcludeInboundPorts(a[0]) == nil
	case "excludeOutboundPorts":
		return ValidateExcludeOutboundPorts(a[0]) == nil
	case "ports":
		ports, err := parsePorts(a[0])
		if err != nil {
			return nil
		}
		return ports
	case "resolveHost":
		return ResolveShortnameToFQDN(a[0], config.Meta{Namespace: a[1], Domain: a[2]})
	case "gatewayRef":
		return resolveGatewayName(a[0], config.Meta{Namespace: a[1]})
	case "trim":
		return strings.TrimSpace(a[0])
	}
	for _, answers := range []map[string]func(a []string) any{injectionAnswers, meshAnswers, iptablesAnswers} {
		if answer, known := answers[q.Op]; known {
			return answer(a)
		}
	}
	panic(fmt.Sprintf("unknown question %q", q.Op))
}

func labelMap(text string) map[string]string {
	set := map[string]string{}
	if err := json.Unmarshal([]byte(text), &set); err != nil {
		panic(err)
	}
	return set
}

func main() {
	// Istio writes its warnings where the answers go.
	for _, scope := range log.Scopes() {
		scope.SetOutputLevel(log.NoneLevel)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<24)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	replies := json.NewEncoder(out)
	for lines.Scan() {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if err := replies.Encode(answer(q)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
