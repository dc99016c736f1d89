import type { JsonSchema } from '../core/rule.ts'
import { listOf, namespaceName, object, ranges, shared, string, stringMap } from './part.ts'

function namedGateways(description: string): JsonSchema {
  return listOf(
    object(
      {
        namespace: string('Their namespace.'),
        gateways: listOf(
          string('Name of an Istio Gateway or a Gateway of the Gateway API, or an explicit `*`.'),
          'Which of its Gateways.',
        ),
        namespaces: listOf(namespaceName, 'Namespaces that may bind routes to them; absent: all.'),
      },
      ['namespace', 'gateways'],
      'Gateways of one namespace.',
    ),
    description,
  )
}

function providers(description: string): JsonSchema {
  return listOf(
    object(
      {
        name: string('Its name under extensionProviders of the mesh configuration.'),
        service: string('The host that it must be reached at; absent: whatever the mesh configuration says.'),
      },
      ['name'],
      'A provider.',
    ),
    description,
  )
}

/** Returns the schemas of the keys of `spec` that say what the organisation is. */
export function factSchemas(): Readonly<Record<string, JsonSchema>> {
  return {
    namespaces: object(
      { platform: shared('namespaces'), governed: shared('namespaces'), notGoverned: shared('namespaces') },
      [],
      'Which namespaces are the platform’s, under the policy, and outside it; what nothing names is governed, except kube-*.',
    ),
    egressGateways: listOf(
      object(
        {
          name: string('What approvals call it.'),
          namespace: string('Its namespace.'),
          service: string('Name of the Service before its pods.'),
          podLabels: stringMap('Labels of its pods, all of them.'),
          gateways: listOf(
            string('Name of an Istio Gateway in its namespace.'),
            'The Istio Gateways that configure it.',
          ),
          gatewayApi: listOf(
            string('Name of a Gateway of the Gateway API in its namespace.'),
            'The Gateways of the Gateway API that configure it.',
          ),
          serviceAccount: string('The service account of its pods.'),
          ports: listOf(shared('port'), 'Ports it listens on for egress, with what each carries.'),
        },
        ['name', 'namespace', 'service', 'podLabels'],
        'An egress gateway.',
      ),
      'The workloads that traffic must leave by.',
    ),
    waypoints: listOf(
      object(
        {
          name: string('Name of its Gateway (Gateway API).'),
          namespace: string('Its namespace.'),
          namespaces: listOf(namespaceName, 'Namespaces that may choose it; absent: all.'),
        },
        ['name', 'namespace'],
        'A waypoint.',
      ),
      'Waypoints by which the traffic of ambient namespaces may leave.',
    ),
    ingressGateways: namedGateways(
      'Gateways for what comes in, to which other namespaces may bind routes; absent: all that are no egress gateway.',
    ),
    eastWestGateways: namedGateways('Gateways between the clusters of the mesh, which pass traffic on by its SNI.'),
    internalHosts: listOf(
      object(
        {
          host: string('A host; `*.x` covers every depth below x, not x itself.'),
          addresses: ranges('Where its endpoints must lie.'),
        },
        ['host', 'addresses'],
        'An internal host.',
      ),
      'Names of the mesh itself outside the cluster, such as databases and virtual machines.',
    ),
    identityProviders: listOf(
      string('An origin such as https://login.example.com or http://keycloak.auth.svc.cluster.local:8080.', {
        pattern: '^https?://[^/?#\\s]+$',
      }),
      'Whose keys (JWKS) tokens may be checked with.',
    ),
    telemetryProviders: providers('Whom proxies may report traces, logs and metrics to.'),
    authorizers: providers('External authorizers that proxies may ask (ext_authz).'),
    nameservers: ranges('Addresses that pods may ask for names, besides those of the cluster.'),
    wasmModules: listOf(
      string('`registry/name:tag`, `registry/name` for any tag, or a beginning with one trailing `*`; no scheme.', {
        pattern: '^[^*\\s]+\\*?$',
      }),
      'Modules that proxies may load (WasmPlugin).',
    ),
    ranges: object(
      {
        pods: ranges('Addresses of pods.'),
        services: ranges('Addresses of Services.'),
        virtualMachines: ranges('Addresses of machines outside the cluster that belong to the mesh.'),
      },
      [],
      'Internal address ranges.',
    ),
    identities: object(
      {
        platform: object(
          {
            users: listOf(string('A user name.'), 'Users, exact.'),
            groups: listOf(string('A group.'), 'Groups, exact.'),
            serviceAccounts: listOf(string('namespace/name.', { pattern: '^[^/]+/[^/]+$' }), 'Service accounts.'),
          },
          [],
          'Who may edit platform namespaces.',
        ),
        controllers: listOf(
          string('namespace/name.', { pattern: '^[^/]+/[^/]+$' }),
          'Service accounts of controllers that write for others; absent: istiod of the root namespace.',
        ),
      },
      [],
      'Who is who.',
    ),
    workloads: object(
      {
        mayOptOut: shared('serviceAccounts'),
        mayUseHostNetwork: shared('serviceAccounts'),
        mayHavePrivileges: shared('serviceAccounts'),
      },
      [],
      'Workloads that may deviate: run without a proxy, in the network of the node, with privileges that undo capture.',
    ),
    mesh: object(
      {
        rootNamespace: string('Where mesh-wide Istio objects live; istio-system where absent.'),
        clusterDomain: string('Domain of the cluster; cluster.local where absent.'),
        revisions: listOf(string('A revision or tag.'), 'Revisions and tags whose injector the organisation runs.'),
        proxyImages: listOf(
          string('`registry/name:tag`, `registry/name` for any tag, or a beginning with one trailing `*`.', {
            pattern: '^[^*\\s]+\\*?$',
          }),
          'Images that the proxy and its init containers may run.',
        ),
        cniExcludedNamespaces: listOf(
          string('A namespace.'),
          'Namespaces that istio-cni passes by, where its configuration is not in the inventory.',
        ),
        outboundTrafficPolicy: {
          enum: ['REGISTRY_ONLY', 'ALLOW_ANY'],
          description: 'The mesh configuration’s mode, where the inventory does not show it.',
        },
      },
      [],
      'The mesh.',
    ),
  }
}
