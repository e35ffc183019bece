import { inspect } from 'node:util';
import { z } from 'zod';
import { Fault } from '../domain/fault.js';
import { mostSpecificKey, parseRegistryKey, type RegistryKey } from './keyring.js';
import { Login } from './login.js';

/** The logins of one pull secret. Shows none of them when printed or serialised. */
export interface RegistryCredentials {
  /** The login for a repository, the most specific entry first; undefined when the secret has none for it. */
  loginFor(registry: string, repository: string): Login | undefined;
  toJSON(): string;
}

/** What is needed of a Kubernetes Secret. The values of `data` are base64, as the API server sends them. */
export interface PullSecret {
  readonly type?: string | undefined;
  readonly data?: Readonly<Record<string, string>> | undefined;
}

const text = z.string().nullish();
const Entry = z.object({ auth: text, username: text, password: text, identitytoken: text });
const Entries = z.record(z.string(), Entry);

/** Where a Secret keeps its logins. The type is not asked for: the build Job mounts the same keys and does not look at it either. */
const FORMATS = [
  { key: '.dockerconfigjson', schema: z.object({ auths: Entries.nullish() }).transform(({ auths }) => auths ?? {}) },
  { key: '.dockercfg', schema: Entries },
] as const;

/**
 * Reads the logins of an image pull secret (`kubernetes.io/dockerconfigjson`, or the older `kubernetes.io/dockercfg`).
 * @throws Fault `Invalid` (`InvalidSpec`) that names the key and the place of the defect, never the content.
 */
export function credentialsFromSecret(secret: PullSecret): RegistryCredentials {
  for (const { key, schema } of FORMATS) {
    const encoded = secret.data?.[key];
    if (encoded !== undefined) return new SecretCredentials(readEntries(key, encoded, schema));
  }
  throw invalid(
    'The image pull Secret has neither the key .dockerconfigjson nor the key .dockercfg. Create it with type kubernetes.io/dockerconfigjson.',
  );
}

const invalid = (message: string): Fault => new Fault('Invalid', message, { reason: 'InvalidSpec' });

type Located = readonly { readonly key: RegistryKey; readonly login: Login }[];

function readEntries(key: string, encoded: string, schema: z.ZodType<z.infer<typeof Entries>>): Located {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(encoded, 'base64').toString('utf8'));
  } catch {
    // The parser's own message quotes the text, which is the secret.
    throw invalid(
      `Key ${key} of the image pull Secret is not JSON in base64. Create the Secret again, for instance with kubectl create secret docker-registry.`,
    );
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const field = parsed.error.issues[0]?.path.at(-1);
    const where =
      field === 'auth' || field === 'username' || field === 'password' || field === 'identitytoken'
        ? `field ${field} of an entry`
        : 'the JSON';
    throw invalid(`Key ${key} of the image pull Secret does not have the form of a Docker configuration: ${where} has the wrong type.`);
  }
  return Object.entries(parsed.data).flatMap(([registry, entry], index) => {
    const login = readLogin(
      entry,
      () => `Key ${key} of the image pull Secret is broken: field auth of entry ${index + 1} is not user:password in base64.`,
    );
    return login === undefined ? [] : [{ key: parseRegistryKey(registry), login }];
  });
}

/** `auth` wins over `username` and `password`, as for the kubelet. An entry without any of them (a credential helper's) says nothing. */
function readLogin(entry: z.infer<typeof Entry>, defect: () => string): Login | undefined {
  let username = entry.username ?? '';
  let password = entry.password ?? '';
  if (entry.auth) {
    const decoded = Buffer.from(entry.auth, 'base64').toString('utf8');
    const colon = decoded.indexOf(':');
    if (colon === -1 || !/^[A-Za-z0-9+/_-]+=*$/.test(entry.auth.trim())) throw invalid(defect());
    username = decoded.slice(0, colon);
    password = decoded.slice(colon + 1).replace(/\0+$/, ''); // older Docker versions padded with zeros
  }
  // Docker stores an identity token under this user name when the file format has no field for it.
  const identityToken = entry.identitytoken || (username === '<token>' ? password : undefined);
  if (identityToken)
    return new Login({ username: username === '<token>' ? '' : username, password: username === '<token>' ? '' : password, identityToken });
  return username === '' && password === '' ? undefined : new Login({ username, password });
}

class SecretCredentials implements RegistryCredentials {
  readonly #entries: Located;

  constructor(entries: Located) {
    this.#entries = entries;
  }

  loginFor(registry: string, repository: string): Login | undefined {
    const target = parseRegistryKey(`${registry}/${repository}`);
    const index = mostSpecificKey(
      this.#entries.map(({ key }) => key),
      target,
    );
    return index === undefined ? undefined : this.#entries[index]?.login;
  }

  toJSON(): string {
    return `[registry credentials, ${this.#entries.length} entries, redacted]`;
  }

  toString(): string {
    return this.toJSON();
  }

  [inspect.custom](): string {
    return this.toJSON();
  }
}
