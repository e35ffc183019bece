import type { Manifest } from './manifest-work.js';

interface FieldError {
  readonly path: string;
  readonly what: string;
}

const NOT_CHECKED =
  '<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';

/**
 * Why an API server with KMM's CRD refuses this Module, in its own words; undefined when it takes it.
 * Knows the rules that a hub can break: what is required, and that `kernelMappings` is not empty. The harness test compares the messages with a real API server.
 */
export function whyModuleIsRefused({ apiVersion, kind, metadata, spec }: Manifest): string | undefined {
  if (spec === undefined) return undefined;
  const errors = [...loaderErrors(spec['moduleLoader']), ...required(spec, 'selector', 'spec')].sort((a, b) => (a.path < b.path ? -1 : 1));
  if (errors.length === 0) return undefined;
  const texts = errors.map(({ path, what }) => `${path}: ${what}`);
  // A missing field also keeps the CEL rules of the CRD from running, which the server mentions.
  if (errors.some(({ what }) => what === 'Required value')) texts.push(NOT_CHECKED);
  return `${kind}.${apiVersion.split('/')[0]} "${metadata.name}" is invalid: ${texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`}`;
}

type Fields = Readonly<Record<string, unknown>>;

const required = (object: Fields, field: string, at: string): FieldError[] =>
  object[field] === undefined || object[field] === null ? [{ path: `${at}.${field}`, what: 'Required value' }] : [];

function loaderErrors(loader: unknown): FieldError[] {
  if (loader === undefined || loader === null) return [];
  const at = 'spec.moduleLoader';
  const container = (loader as Fields)['container'] as Fields | undefined;
  if (container === undefined) return required(loader as Fields, 'container', at);
  const missing = [...required(container, 'kernelMappings', `${at}.container`), ...required(container, 'modprobe', `${at}.container`)];
  return [...missing, ...mappingErrors(container['kernelMappings'], `${at}.container.kernelMappings`)];
}

function mappingErrors(mappings: unknown, at: string): FieldError[] {
  if (!Array.isArray(mappings)) return [];
  if (mappings.length === 0) return [{ path: at, what: `Invalid value: 0: ${at} in body should have at least 1 items` }];
  return mappings.flatMap((mapping: Fields, index) => required(mapping, 'containerImage', `${at}[${index}]`));
}
