import { ManagedClusterModuleSpec } from './managed-cluster-module.js';
import { ManagedClusterModuleStatus } from './managed-cluster-module-status.js';
import { MCM_GROUP, MCM_VERSION } from './names.js';
import { toStructuralSchema, type StructuralSchema } from './structural-schema.js';

const PLURAL = 'managedclustermodules';

const column = (name: string, type: 'string' | 'integer' | 'date', jsonPath: string, description: string) => ({
  name,
  type,
  jsonPath,
  description,
});

const PRINTER_COLUMNS = [
  column('Phase', 'string', '.status.phase', 'Where the module stands.'),
  column('Selected', 'integer', '.status.clusters.selected', 'Clusters that the selector matches.'),
  column('Loaded', 'integer', '.status.clusters.loaded', 'Clusters on which loading is proven.'),
  column('Failed', 'integer', '.status.clusters.failed', 'Clusters that failed.'),
  column('Revision', 'string', '.status.updateRevision', 'The revision that the spec asks for.'),
  column('Age', 'date', '.metadata.creationTimestamp', 'Time since the object was created.'),
];

/** The CustomResourceDefinition of ManagedClusterModule. Names, scope and version are upstream's, so that every upstream manifest applies. */
export function managedClusterModuleCrd() {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${PLURAL}.${MCM_GROUP}` },
    spec: {
      group: MCM_GROUP,
      scope: 'Cluster',
      names: {
        kind: 'ManagedClusterModule',
        listKind: 'ManagedClusterModuleList',
        plural: PLURAL,
        singular: 'managedclustermodule',
        shortNames: ['mcm'],
      },
      versions: [
        {
          name: MCM_VERSION,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: PRINTER_COLUMNS,
          schema: { openAPIV3Schema: objectSchema() },
        },
      ],
    },
  };
}

function objectSchema(): StructuralSchema {
  return {
    type: 'object',
    description: 'A kernel module that a hub rolls out to its fleet of clusters.',
    // No `required`: upstream takes an object without a spec, so ours must not refuse one that is stored already. The parser names what is missing.
    properties: {
      apiVersion: { type: 'string', description: 'Version of the schema of this object.' },
      kind: { type: 'string', description: 'ManagedClusterModule.' },
      metadata: { type: 'object' },
      spec: { description: 'What is wanted: which module, where, and how it travels.', ...toStructuralSchema(ManagedClusterModuleSpec) },
      status: { description: 'What is the case. Written by the hub alone.', ...toStructuralSchema(ManagedClusterModuleStatus) },
    },
  };
}
