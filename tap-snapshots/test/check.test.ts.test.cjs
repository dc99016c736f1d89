/* IMPORTANT
 * This snapshot file is auto-generated, but designed for humans.
 * It should be checked into source control and tracked carefully.
 * Re-generate by setting TAP_SNAPSHOT=1 and running tests.
 * Make sure to inspect the output below.  Do not ignore changes!
 */
'use strict'
exports[`test/check.test.ts > TAP > help, version and explanations > must match snapshot 1`] = `
no-capture-bypass
  Disallow settings that let traffic leave a pod without passing its proxy.

  Istio reads from the annotations of a pod which destinations, ports and interfaces its sidecar
  captures. What is left out goes straight to the network: no policy, no log, no egress gateway.
  Values are judged, not keys: ranges are united and compared with the ranges of pods and Services, so
  that two halves of the internet are the internet, and an exclusion of cluster addresses alone
  passes. Of a final pod the arguments of istio-init are judged too, which the values of the
  installation decide where the pod says nothing.

  When it stops a team: A database driver, a message queue or a node’s own address did not work
  through the proxy, and an exclusion was the quick answer. Addresses inside spec.ranges may be
  excluded as ever; for an outside address register the host with its protocol (a TCP entry needs no
  HTTP), and it works through the proxy.

  judges pods and all templates of pods
  on CREATE, UPDATE, in governed namespaces
  reads the facts ranges, workloads
  looks up Namespace

  excluded-ranges  (critical, baseline: deny)
    connections to {outside} leave without passing the proxy
    fix: keep only ranges of the cluster in the annotation, or have others accepted (params.excludableRanges)
    against: pod/exclude-outbound-ip-ranges, pod/metadata-update-live

  included-ranges  (critical, baseline: deny)
    only the listed ranges are captured, so connections to {outside} leave without passing the proxy
    fix: set the annotation to "*", or remove it
    against: pod/include-outbound-ip-ranges

  excluded-ports  (critical, baseline: deny)
    connections to {outside} leave without passing the proxy, whatever the address
    fix: take {outside} out of the annotation, or have the ports accepted (params.excludablePorts)
    against: pod/exclude-outbound-ports

  excluded-interfaces  (critical, baseline: deny)
    all that leaves by {outside} passes by the proxy
    fix: take {outside} out of the annotation, or have the interfaces accepted (params.excludableInterfaces)
    against: pod/exclude-interfaces

  rerouted-interfaces  (medium, baseline: deny)
    traffic arriving by {outside} is taken for traffic of a virtual machine, and inbound capture ends there
    fix: remove {outside}, or have the interfaces accepted (params.reroutableInterfaces)
    against: pod/reroute-virtual-interfaces

  interception-mode  (critical, baseline: deny)
    with interception mode {value} nothing redirects the pod’s traffic to its proxy
    fix: remove {setting}: traffic is then redirected
    against: pod/interception-mode

  transparent-mode  (medium, baseline: deny)
    with interception mode {value} the proxy runs as root, kept out of capture by its group alone
    fix: remove {setting}, or have the mode accepted (params.interceptionModes)
    against: pod/interception-mode

  unreadable  (medium, baseline: deny)
    Istio cannot read "{value}": {problem}
    fix: correct the value, or remove the annotation
    against: pod/include-outbound-ports, pod/include-outbound-ip-ranges, pod/exclude-outbound-ip-ranges, pod/exclude-outbound-ports, pod/interception-mode

  argument-ranges  (critical, baseline: deny)
    istio-init leaves connections to {outside} uncaptured
    fix: correct values.global.proxy of the installation (includeIPRanges, excludeIPRanges), or remove what was written by hand
    against: pod/missing-sidecar-final, pod/include-outbound-ip-ranges, pod/exclude-outbound-ip-ranges

  argument-ports  (critical, baseline: deny)
    istio-init leaves connections to {outside} uncaptured, whatever the address
    fix: correct values.global.proxy.excludeOutboundPorts of the installation, or remove what was written by hand
    against: pod/missing-sidecar-final, pod/exclude-outbound-ports

  argument-interfaces  (critical, baseline: deny)
    istio-init leaves all that leaves by {outside} uncaptured
    fix: remove what was written by hand: the injector takes interfaces from the pod’s annotation alone
    against: pod/missing-sidecar-final, pod/exclude-interfaces

  argument-rerouting  (medium, baseline: deny)
    istio-init takes traffic arriving by {outside} for that of a virtual machine, and inbound capture ends there
    fix: remove what was written by hand: the injector takes interfaces from the pod’s annotation alone
    against: pod/missing-sidecar-final, pod/reroute-virtual-interfaces

  argument-mode  (medium, baseline: deny)
    with interception mode {value} the proxy runs as root, kept out of capture by its group alone
    fix: set interceptionMode REDIRECT in the mesh configuration, or have the mode accepted (params.interceptionModes)
    against: pod/interception-mode

  argument-user  (critical, baseline: deny)
    istio-init leaves uncaptured what {outside} sends, and the proxy does not run as that
    fix: remove what was written by hand: the injector names the user of the proxy alone
    against: pod/missing-sidecar-final, pod/proxy-uid, pod/proxy-gid

  idle-program  (critical, baseline: deny)
    with {flag} istio-init redirects nothing in the pod
    fix: remove it from the proxyMetadata that it comes from, or remove what was written by hand
    against: pod/missing-sidecar-final

  unreadable-arguments  (medium, baseline: deny)
    what istio-init captures cannot be told: {problem}
    fix: remove what was written by hand, or correct values.global.proxy of the installation
    against: pod/missing-sidecar-final

  params.excludableRanges  (default [])
    Ranges beyond those of pods and Services that a pod may keep from its proxy.

  params.excludablePorts  (default [])
    Destination ports that a pod may keep from its proxy.

  params.excludableInterfaces  (default [])
    Network interfaces whose traffic may pass by the proxy, such as a secondary one for storage.

  params.reroutableInterfaces  (default [])
    Interfaces of virtual machines (KubeVirt, docker-in-docker) that a pod may hand to its proxy.

  params.interceptionModes  (default ["REDIRECT"])
    How packets may reach the proxy; NONE is never accepted.

  https://sallyport.dev/rules#no-capture-bypass

`

exports[`test/check.test.ts > TAP > the four ways out are refused, each with place, reason and fix > must match snapshot 1`] = `
refused  ConfigMap istio-system/istio  (examples/ways-out/1-mesh-allow-any.yaml:4)
  13:3 data.mesh
    mode "ALLOW_ANY" is set, so every proxy of the mesh passes traffic to unknown destinations
    fix: set outboundTrafficPolicy.mode to REGISTRY_ONLY in the mesh configuration
    no-allow-any, critical, https://sallyport.dev/rules#no-allow-any
refused  Sidecar shop/default  (examples/ways-out/1-sidecar-allow-any.yaml:3)
  10:5 spec.outboundTrafficPolicy.mode
    mode "ALLOW_ANY" lets namespace "shop" reach every destination, registered or not
    fix: set spec.outboundTrafficPolicy.mode to REGISTRY_ONLY
    no-allow-any, critical, https://sallyport.dev/rules#no-allow-any
warned  ServiceEntry shop/httpbin  (examples/ways-out/2-approved-host-direct.yaml:4)
  11:5 spec.hosts[0]
    not judged: whether traffic to "httpbin.org" takes the egress gateway
    fix: see to its routes: this version does not trace them
    require-approved-hosts, counted as warn
warned  VirtualService shop/httpbin  (examples/ways-out/2-direct-timeout.yaml:4)
  11:5 spec.hosts[0]
    warning: this route for "httpbin.org" comes before the platform’s, and does not lead to the egress gateway
    fix: have the platform set it on the route through the gateway, or route to istio-egressgateway.istio-egress.svc.cluster.local
    no-route-override, critical, https://sallyport.dev/rules#no-route-override
  17:9 spec.http[0].route[0].destination.host
    not judged: whether this route lets traffic to "httpbin.org" pass by the egress gateway
    fix: see to its legs: this version does not trace routes
    require-approved-hosts, counted as warn
refused  ServiceEntry shop/collector  (examples/ways-out/2-host-not-approved.yaml:4)
  11:5 spec.hosts[0]
    host "collector.example.net" is not approved, and this entry would let workloads reach it
    fix: remove the host, or have "collector.example.net" approved (ApprovedHosts)
    require-approved-hosts, critical, https://sallyport.dev/rules#require-approved-hosts
refused  ConfigMap istio-system/istio-sidecar-injector  (examples/ways-out/3-injector-exclude-ranges.yaml:3)
  19:3 data.values
    global.proxy.excludeIPRanges "203.0.113.0/24" lets every pod reach 203.0.113.0/24 without passing its proxy
    fix: empty global.proxy.excludeIPRanges
    no-allow-any, critical, https://sallyport.dev/rules#no-allow-any
refused  ConfigMap istio-system/istio-sidecar-injector  (examples/ways-out/3-injector-include-ranges.yaml:4)
  20:3 data.values
    global.proxy.includeIPRanges "10.96.0.0/12,10.244.0.0/16" lets every pod reach every public address without passing its proxy
    fix: set global.proxy.includeIPRanges to "*"
    no-allow-any, critical, https://sallyport.dev/rules#no-allow-any
refused  IstioOperator istio-system/mesh  (examples/ways-out/3-istiooperator-ranges.yaml:4)
  26:9 spec.values.global.proxy.includeIPRanges
    global.proxy.includeIPRanges "10.96.0.0/12,10.244.0.0/16" lets every pod reach every public address without passing its proxy
    fix: set global.proxy.includeIPRanges to "*"
    no-allow-any, critical, https://sallyport.dev/rules#no-allow-any
refused  Deployment shop/exporter  (examples/ways-out/3-pod-exclude-ranges.yaml:3)
  20:9 spec.template.metadata.annotations["traffic.sidecar.istio.io/excludeOutboundIPRanges"]
    connections to every public IPv4 address leave without passing the proxy
    fix: keep only ranges of the cluster in the annotation, or have others accepted (params.excludableRanges)
    no-capture-bypass, critical, https://sallyport.dev/rules#no-capture-bypass
  23:9 spec.template.spec.containers[0].securityContext
    dryrun: with capabilities.drop, allowPrivilegeEscalation, runAsNonRoot, runAsUser unset a process may become the proxy’s user, or send packets past redirection
    fix: set them in securityContext: drop ALL, no escalation, a numeric user other than 0
    require-stated-privileges, high, https://sallyport.dev/rules#require-stated-privileges
refused  Pod shop/exporter-once  (examples/ways-out/3-pod-exclude-ranges.yaml:26)
  34:5 metadata.annotations["traffic.sidecar.istio.io/excludeOutboundIPRanges"]
    connections to every public IPv4 address leave without passing the proxy
    fix: keep only ranges of the cluster in the annotation, or have others accepted (params.excludableRanges)
    no-capture-bypass, critical, https://sallyport.dev/rules#no-capture-bypass
  38:5 spec.containers[0].securityContext
    dryrun: with capabilities.drop, allowPrivilegeEscalation, runAsNonRoot, runAsUser unset a process may become the proxy’s user, or send packets past redirection
    fix: set them in securityContext: drop ALL, no escalation, a numeric user other than 0
    require-stated-privileges, high, https://sallyport.dev/rules#require-stated-privileges
refused  Deployment shop/crawler  (examples/ways-out/3-pod-without-proxy.yaml:3)
  19:9 spec.template.metadata.labels["sidecar.istio.io/inject"]
    the pod runs without a proxy, so nothing sees where its traffic goes
    fix: set it to "true", or name the service account "default" under spec.workloads.mayOptOut
    require-injection, critical, https://sallyport.dev/rules#require-injection
  22:9 spec.template.spec.containers[0].securityContext
    dryrun: with capabilities.drop, allowPrivilegeEscalation, runAsNonRoot, runAsUser unset a process may become the proxy’s user, or send packets past redirection
    fix: set them in securityContext: drop ALL, no escalation, a numeric user other than 0
    require-stated-privileges, high, https://sallyport.dev/rules#require-stated-privileges
refused  Pod shop/crawler-once  (examples/ways-out/3-pod-without-proxy.yaml:25)
  32:5 metadata.labels["sidecar.istio.io/inject"]
    the pod runs without a proxy, so nothing sees where its traffic goes
    fix: set it to "true", or name the service account "default" under spec.workloads.mayOptOut
    require-injection, critical, https://sallyport.dev/rules#require-injection
  36:5 spec.containers[0].securityContext
    dryrun: with capabilities.drop, allowPrivilegeEscalation, runAsNonRoot, runAsUser unset a process may become the proxy’s user, or send packets past redirection
    fix: set them in securityContext: drop ALL, no escalation, a numeric user other than 0
    require-stated-privileges, high, https://sallyport.dev/rules#require-stated-privileges
refused  Gateway.networking.istio.io default/httpbin-door  (examples/ways-out/4-default-http.yaml:3)
  9:3 spec.selector
    the selector matches the pods of egress gateway "main", so its servers would be added there
    fix: define the Gateway in namespace istio-egress, where the platform does, or select a gateway of your own
    no-gateway-hijack, critical, https://sallyport.dev/rules#no-gateway-hijack
refused  DestinationRule default/gateway-for-httpbin  (examples/ways-out/4-default-http.yaml:19)
  25:3 spec.host
    for this namespace it takes the place of the platform’s rule for egress gateway "main"
    fix: define the rule in the namespace of the egress gateway (istio-egress), or name only hosts of your own
    no-gateway-detour, critical, https://sallyport.dev/rules#no-gateway-detour
refused  VirtualService default/httpbin-by-gateway  (examples/ways-out/4-default-http.yaml:29)
  55:9 spec.http[1].route[0].destination.host
    traffic would be sent to "httpbin.org", a host that is not approved for namespace "default"
    fix: define the route in the namespace of the egress gateway (istio-egress), or have the host approved for "default" (ApprovedHosts)
    require-approved-hosts, critical, https://sallyport.dev/rules#require-approved-hosts
refused  ServiceEntry default/httpbin  (examples/ways-out/4-default-http.yaml:59)
  66:5 spec.hosts[0]
    host "httpbin.org" is approved for "shop", not for namespace "default"
    fix: define the host in the namespace of the egress gateway (istio-egress), or have it approved for "default" (ApprovedHosts)
    require-approved-hosts, critical, https://sallyport.dev/rules#require-approved-hosts
refused  Gateway.networking.istio.io default/stripe-door  (examples/ways-out/4-default-tls.yaml:4)
  10:3 spec.selector
    the selector matches the pods of egress gateway "main", so its servers would be added there
    fix: define the Gateway in namespace istio-egress, where the platform does, or select a gateway of your own
    no-gateway-hijack, critical, https://sallyport.dev/rules#no-gateway-hijack
refused  DestinationRule default/gateway-for-stripe  (examples/ways-out/4-default-tls.yaml:22)
  28:3 spec.host
    for this namespace it takes the place of the platform’s rule for egress gateway "main"
    fix: define the rule in the namespace of the egress gateway (istio-egress), or name only hosts of your own
    no-gateway-detour, critical, https://sallyport.dev/rules#no-gateway-detour
refused  VirtualService default/stripe-by-gateway  (examples/ways-out/4-default-tls.yaml:32)
  60:9 spec.tls[1].route[0].destination.host
    traffic would be sent to "api.stripe.com", a host that is not approved for namespace "default"
    fix: define the route in the namespace of the egress gateway (istio-egress), or have the host approved for "default" (ApprovedHosts)
    require-approved-hosts, critical, https://sallyport.dev/rules#require-approved-hosts
refused  ServiceEntry default/stripe  (examples/ways-out/4-default-tls.yaml:64)
  71:5 spec.hosts[0]
    host "api.stripe.com" is approved for "payments" and "shop", not for namespace "default"
    fix: define the host in the namespace of the egress gateway (istio-egress), or have it approved for "default" (ApprovedHosts)
    require-approved-hosts, critical, https://sallyport.dev/rules#require-approved-hosts

20 objects: 18 refused, 2 warned, 0 pass

`

exports[`test/check.test.ts > TAP > the pattern in the platform namespace is not refused, and what still needs routes says so > must match snapshot 1`] = `
passes  Gateway.networking.istio.io istio-egress/httpbin  (examples/pattern/http.yaml:5)
passes  DestinationRule istio-egress/egress-gateway-httpbin  (examples/pattern/http.yaml:26)
warned  VirtualService istio-egress/httpbin  (examples/pattern/http.yaml:44)
  74:9 spec.http[1].route[0].destination.host
    not judged: whether this route lets traffic to "httpbin.org" pass by the egress gateway
    fix: see to its legs: this version does not trace routes
    require-approved-hosts, counted as warn
warned  ServiceEntry istio-egress/httpbin  (examples/pattern/http.yaml:78)
  85:5 spec.hosts[0]
    not judged: whether traffic to "httpbin.org" takes the egress gateway
    fix: see to its routes: this version does not trace them
    require-approved-hosts, counted as warn
passes  Gateway.networking.istio.io istio-egress/stripe  (examples/pattern/tls.yaml:5)
passes  DestinationRule istio-egress/egress-gateway-stripe  (examples/pattern/tls.yaml:25)
warned  VirtualService istio-egress/stripe  (examples/pattern/tls.yaml:36)
  66:9 spec.tls[1].route[0].destination.host
    not judged: whether this route lets traffic to "api.stripe.com" pass by the egress gateway
    fix: see to its legs: this version does not trace routes
    require-approved-hosts, counted as warn
warned  ServiceEntry istio-egress/stripe  (examples/pattern/tls.yaml:71)
  78:5 spec.hosts[0]
    not judged: whether traffic to "api.stripe.com" takes the egress gateway
    fix: see to its routes: this version does not trace them
    require-approved-hosts, counted as warn

8 objects: 0 refused, 4 warned, 4 pass

`
