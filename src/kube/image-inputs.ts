import { createHash } from 'node:crypto';
import type { X509Certificate } from 'node:crypto';
import { isFault } from '../domain/fault.js';
import { MAX_DOCKERFILE_BYTES } from '../domain/image-job.js';
import type { InputNames, Known, KnownInputs } from '../domain/image-need.js';
import { certificateFingerprint, readCertificate } from '../kmod/index.js';
import type { Fleet } from './fleet.js';
import { resources } from './resources.js';
import type { HubApi } from './types.js';

const DOCKERFILE_KEY = 'dockerfile';
const CERTIFICATE_KEY = 'cert';

type Dockerfile = Known<{ readonly text: string; readonly sha256: string }>;
type Certificate = Known<{ readonly fingerprint: string; readonly certificate: X509Certificate }>;

/** The Dockerfiles and certificates that specs name, read once per version: a look at a module that has not changed costs no request. */
export interface ImageInputs {
  /** @throws Fault `Unavailable` when the API server cannot be asked. A missing or unusable input is no fault: it is said in its place. */
  read(names: InputNames): Promise<KnownInputs>;
  dockerfile(configMap: string): Promise<Dockerfile>;
  certificate(secret: string): Promise<Certificate>;
}

interface Options {
  readonly api: HubApi;
  readonly fleet: Pick<Fleet, 'configMaps' | 'secrets'>;
  readonly operatorNamespace: string;
}

interface Held<T> {
  readonly version: string;
  readonly value: T;
}

export function createImageInputs({ api, fleet, operatorNamespace }: Options): ImageInputs {
  const dockerfiles = new Map<string, Held<Dockerfile>>();
  const certificates = new Map<string, Held<Certificate>>();

  /** Asks the server only when the watch says that there is something new, or when it knows nothing: it may lag behind the one that sent us here. */
  async function current<T>(cache: Map<string, Held<T>>, version: string | undefined, name: string, read: () => Promise<T>): Promise<T> {
    const held = cache.get(name);
    if (held !== undefined && held.version === version) return held.value;
    const value = await read();
    if (version === undefined) cache.delete(name);
    else cache.set(name, { version, value });
    return value;
  }
  const versionOf = (view: { uid: string; resourceVersion: string } | undefined): string | undefined =>
    view === undefined ? undefined : `${view.uid}/${view.resourceVersion}`;

  async function readDockerfile(name: string): Promise<Dockerfile> {
    const where = `ConfigMap ${operatorNamespace}/${name}`;
    const object = await orMissing(api.get<{ data?: Record<string, string> }>(resources.configMaps, name, operatorNamespace));
    if (object === undefined)
      return { problem: `${where}, which holds the Dockerfile, does not exist. Create it; the build starts by itself then.` };
    const text = object.data?.[DOCKERFILE_KEY];
    if (text === undefined)
      return { problem: `${where} has no key "${DOCKERFILE_KEY}". Put the Dockerfile there; the build starts by itself then.` };
    if (text.trim() === '')
      return { problem: `The Dockerfile in ${where}, key "${DOCKERFILE_KEY}", is empty. Write one; the build starts by itself then.` };
    const bytes = Buffer.byteLength(text);
    if (bytes > MAX_DOCKERFILE_BYTES)
      return {
        problem: `The Dockerfile in ${where} has ${bytes} bytes; at most ${MAX_DOCKERFILE_BYTES} are possible. Move sources out of it, for instance into a base image.`,
      };
    return { text, sha256: createHash('sha256').update(text).digest('hex') };
  }

  async function readCertificateOf(name: string): Promise<Certificate> {
    const where = `Secret ${operatorNamespace}/${name}`;
    const object = await orMissing(api.get<{ data?: Record<string, string> }>(resources.secrets, name, operatorNamespace));
    if (object === undefined)
      return { problem: `${where}, which holds the certificate, does not exist. Create it; the signing starts by itself then.` };
    const encoded = object.data?.[CERTIFICATE_KEY];
    if (encoded === undefined)
      return {
        problem: `${where} has no data key "${CERTIFICATE_KEY}". Put the certificate there, in PEM or DER form; the signing starts by itself then.`,
      };
    try {
      const certificate = readCertificate(Buffer.from(encoded, 'base64'));
      return { certificate, fingerprint: certificateFingerprint(certificate) };
    } catch {
      return { problem: `The data key "${CERTIFICATE_KEY}" of ${where} is no X.509 certificate in PEM or DER form. Correct it.` };
    }
  }

  const dockerfile = (name: string) => current(dockerfiles, versionOf(fleet.configMaps.get(name)), name, () => readDockerfile(name));
  const certificate = (name: string) => current(certificates, versionOf(fleet.secrets.get(name)), name, () => readCertificateOf(name));
  return {
    dockerfile,
    certificate,
    async read(names) {
      const [texts, signers] = await Promise.all([
        Promise.all(names.dockerfiles.map(async (name) => [name, await dockerfile(name)] as const)),
        Promise.all(names.certificates.map(async (name) => [name, withoutObject(await certificate(name))] as const)),
      ]);
      return {
        dockerfiles: new Map(texts),
        certificates: new Map(signers),
        missingSecrets: new Set(names.secrets.filter((name) => !fleet.secrets.has(name))),
        secretVersions: new Map(names.secrets.flatMap((name) => versionEntry(name, versionOf(fleet.secrets.get(name))))),
      };
    },
  };
}

const versionEntry = (name: string, version: string | undefined): [string, string][] => (version === undefined ? [] : [[name, version]]);

const withoutObject = (known: Certificate): Known<{ readonly fingerprint: string }> =>
  known.problem === undefined ? { fingerprint: known.fingerprint } : { problem: known.problem };

async function orMissing<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (isFault(error, 'Missing')) return undefined;
    throw error;
  }
}
