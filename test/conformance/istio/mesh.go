package main

import (
	"encoding/json"

	meshconfig "istio.io/api/mesh/v1alpha1"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/util/protomarshal"
)

// refusal is an error, and whether it comes from reading the text or from judging what was read.
type refusal struct {
	Refused string `json:"refused"`
	Why     string `json:"why"`
}

var meshAnswers = map[string]func(a []string) any{
	"meshConfig": func(a []string) any {
		if err := protomarshal.ApplyYAML(a[0], mesh.DefaultMeshConfig()); err != nil {
			return refusal{"reading", err.Error()}
		}
		config, err := mesh.ApplyMeshConfig(a[0], mesh.DefaultMeshConfig())
		if err != nil {
			return refusal{"judging", err.Error()}
		}
		selectors := []any{}
		for _, selector := range config.DiscoverySelectors {
			selectors = append(selectors, toJSON(protomarshal.ToJSON(selector)))
		}
		return map[string]any{
			"outboundMode":                   config.OutboundTrafficPolicy.GetMode().String(),
			"rootNamespace":                  config.RootNamespace,
			"trustDomain":                    config.TrustDomain,
			"trustDomainAliases":             config.TrustDomainAliases,
			"defaultServiceExportTo":         config.DefaultServiceExportTo,
			"defaultVirtualServiceExportTo":  config.DefaultVirtualServiceExportTo,
			"defaultDestinationRuleExportTo": config.DefaultDestinationRuleExportTo,
			"discoverySelectors":             selectors,
			"proxyHttpPort":                  config.ProxyHttpPort,
			"interceptionMode":               config.DefaultConfig.InterceptionMode.String(),
			"discoveryAddress":               config.DefaultConfig.DiscoveryAddress,
		}
	},
	"proxyConfig": func(a []string) any {
		merged, err := mesh.MergeProxyConfig(a[0], mesh.DefaultProxyConfig())
		applied, sameErr := mesh.ApplyProxyConfig(a[0], mesh.DefaultMeshConfig())
		if (err == nil) != (sameErr == nil) {
			panic("MergeProxyConfig and ApplyProxyConfig differ")
		}
		if err != nil {
			return refusal{"reading", err.Error()}
		}
		if merged.InterceptionMode != applied.DefaultConfig.InterceptionMode {
			panic("MergeProxyConfig and ApplyProxyConfig differ")
		}
		set := &meshconfig.ProxyConfig{}
		must(protomarshal.ApplyYAML(a[0], set))
		return map[string]any{
			"interceptionMode": merged.InterceptionMode.String(),
			"discoveryAddress": merged.DiscoveryAddress,
			"set":              toJSON(protomarshal.ToJSON(set)),
		}
	},
}

func toJSON(text string, err error) json.RawMessage {
	must(err)
	return json.RawMessage(text)
}
