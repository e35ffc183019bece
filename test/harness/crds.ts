import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { repositoryRoot } from './parts.js';
import { waitFor } from './process.js';
import { rest, type RestAccess } from './rest.js';

interface Crd {
  readonly kind?: string;
  readonly metadata: { readonly name: string };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

/** What the hub and the spokes bring along themselves, and we only test against. */
const FOREIGN_CRDS = [
  'managedclusters.cluster.open-cluster-management.io',
  'manifestworks.work.open-cluster-management.io',
  'modules.kmm.sigs.x-k8s.io',
];

/**
 * Installs our own CRDs (`deploy/crds`) and the three foreign ones that they work with, and waits until all are Established.
 * The foreign ones come from `test/crds`, or, when the variable `CRDS_DIR` names a folder with the original definitions, from its sub-folders `ocm` and `kmm`.
 * They are created, never applied from a client: the Module CRD is too large for the annotation that a client-side apply leaves.
 */
export async function installCrds(access: RestAccess): Promise<void> {
  const crds = [...readCrds(join(repositoryRoot, 'deploy', 'crds')), ...foreignCrds()];
  const missing = FOREIGN_CRDS.filter((name) => !crds.some((crd) => crd.metadata.name === name));
  if (missing.length > 0)
    throw new Error(`No definition found for ${missing.join(', ')}: look into test/crds, or into CRDS_DIR if it is set.`);
  await Promise.all(crds.map((crd) => createCrd(access, crd)));
  await Promise.all(
    crds.map((crd) => waitFor(`${crd.metadata.name} is Established and served`, () => isServed(access, crd.metadata.name))),
  );
}

function foreignCrds(): Crd[] {
  const originals = process.env['CRDS_DIR'];
  const folders = originals ? [join(originals, 'ocm'), join(originals, 'kmm')] : [join(repositoryRoot, 'test', 'crds')];
  return folders.flatMap(readCrds).filter((crd) => FOREIGN_CRDS.includes(crd.metadata.name));
}

function readCrds(folder: string): Crd[] {
  return readdirSync(folder)
    .filter((file) => /\.(ya?ml|json)$/.test(file))
    .flatMap((file) => parseAllDocuments(readFileSync(join(folder, file), 'utf8')).map((document) => document.toJS() as Crd | null))
    .filter((object): object is Crd => object?.kind === 'CustomResourceDefinition');
}

async function createCrd(access: RestAccess, crd: Crd): Promise<void> {
  const { status, body } = await rest(access, 'POST', CRDS, crd);
  if (status !== 201 && status !== 409) throw new Error(`The API server refused the CRD ${crd.metadata.name} with ${status}: ${body}`);
}

/** Established comes a moment before the handler is there, so the list is tried too. */
async function isServed(access: RestAccess, name: string): Promise<boolean> {
  const { body } = await rest(access, 'GET', `${CRDS}/${name}`);
  const crd = JSON.parse(body) as Crd & {
    spec: { group: string; names: { plural: string }; versions: { name: string; served: boolean }[] };
  };
  if (!crd.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True')) return false;
  const version = crd.spec.versions.find(({ served }) => served)?.name ?? '';
  return (await rest(access, 'GET', `/apis/${crd.spec.group}/${version}/${crd.spec.names.plural}?limit=1`)).status === 200;
}
