import { X509Certificate } from 'node:crypto';
import type { ImageExpectation, ImageNeed } from '../../../src/domain/image-process.js';
import { Fault } from '../../../src/domain/fault.js';
import type { HubApi, ImageInputs } from '../../../src/kube/index.js';
import type { Inspection, InspectionAsk, ReadImage, RegistryClient, ResolveOptions } from '../../../src/registry/index.js';
import { createResolveImages } from '../../../activities/resolve-images.js';
import { aDigest } from '../domain/builders.js';

export const KEY = '0123456789abcdef';
export const KERNEL = '6.1.0-18-amd64';
export const IMAGE = `registry.example.com/kmod:${KERNEL}`;
export const KEY_TAG = `registry.example.com/kmod:kmodflow-${KEY}`;
export const SIGN = { certSecret: 'cert', certificate: 'f'.repeat(64), files: ['/opt/*.ko'] };

/** Somebody else makes it. */
export const aForeignNeed = (change: Partial<ImageNeed> = {}): ImageNeed => ({
  key: KEY,
  image: IMAGE,
  kernels: [KERNEL],
  expect: { dirName: '/opt' },
  ...change,
});

/** kmodflow builds it. */
export const aBuiltNeed = (change: Partial<ImageNeed> = {}, generation?: number): ImageNeed =>
  aForeignNeed({
    recipe: { module: 'kmod', generation, build: { dockerfile: { configMap: 'dockerfile', sha256: 'd' }, args: [], secrets: [] } },
    ...change,
  });

export const missingImage = (image: string): Fault =>
  new Fault('Missing', `Image ${image} does not exist in its registry.`, { reason: 'ImageMissing' });

export interface StoredImage {
  readonly digest: string;
  readonly key?: string;
  /** What the inspection says; by default everything is right. */
  readonly inspection?: (ask: InspectionAsk) => Inspection;
}

export const anImage = (digit: string, change: Partial<StoredImage> = {}): StoredImage => ({ digest: aDigest(digit), ...change });

const allRight = ({ kernels }: InspectionAsk): Inspection => ({ modules: [], accepted: [...kernels], rejected: [] });

/** A registry that holds these images by reference, or answers with a fault; what is not there is missing. */
export function aRegistry(images: Readonly<Record<string, StoredImage | Error>>) {
  const reads: string[] = [];
  const asks: InspectionAsk[] = [];
  const options: (ResolveOptions | undefined)[] = [];
  const client = {
    read: (image: string, access?: ResolveOptions): Promise<ReadImage> => {
      reads.push(image);
      options.push(access);
      const stored = images[image] ?? missingImage(image);
      if (stored instanceof Error) return Promise.reject(stored);
      const annotations: Record<string, string> = stored.key === undefined ? {} : { 'kmodflow.io/image-key': stored.key };
      return Promise.resolve({ image, digest: stored.digest, pinned: '', mediaType: '', sizeBytes: 1, annotations, document: {} });
    },
    inspect: async ({ image }: ReadImage, ask: InspectionAsk): Promise<Inspection> => {
      asks.push(ask);
      // Ends at another time than its neighbours.
      for (let i = 0; i < 3 + (asks.length % 5); i++) await Promise.resolve();
      const stored = images[image];
      return stored instanceof Error || stored?.inspection === undefined ? allRight(ask) : stored.inspection(ask);
    },
  } as unknown as RegistryClient;
  return { client, reads, asks, options };
}

/** Stands for a certificate: nobody looks into it here. */
export const CERTIFICATE = Object.create(X509Certificate.prototype) as X509Certificate;

/** The activity on a hub with these Secrets. */
export function resolving(
  images: Readonly<Record<string, StoredImage | Error>>,
  { secrets = {}, certificateProblem }: { secrets?: Record<string, object | Error>; certificateProblem?: string } = {},
) {
  const registry = aRegistry(images);
  const secretReads: string[] = [];
  const api = {
    get: ({ kind }: { kind: string }, name: string, namespace: string) => {
      secretReads.push(`${kind} ${namespace}/${name}`);
      const stored = secrets[name] ?? new Fault('Missing', `Failed to get Secret ${namespace}/${name}: not found.`);
      return stored instanceof Error ? Promise.reject(stored) : Promise.resolve(stored);
    },
  } as unknown as HubApi;
  const certificate: ImageInputs['certificate'] = () =>
    Promise.resolve(
      certificateProblem === undefined ? { fingerprint: SIGN.certificate, certificate: CERTIFICATE } : { problem: certificateProblem },
    );
  const inputs = { certificate } as ImageInputs;
  const resolveImages = createResolveImages({ api, registry: registry.client, inputs, operatorNamespace: 'kmodflow-system' });
  return { ...registry, secretReads, resolve: (...needs: ImageNeed[]) => resolveImages({ images: needs }) };
}

export const signed: ImageExpectation = { dirName: '/opt', sign: SIGN };
