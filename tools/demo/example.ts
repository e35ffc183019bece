import { parseDocument } from 'yaml';
import { parseImageReference } from '../../src/domain/image-reference.js';
import { expandTemplate } from '../../src/domain/template.js';

/** A ManagedClusterModule of `examples/`, made to fit the registry of the demo. */
export interface AdaptedExample {
  readonly name: string;
  /** Labels that a cluster must have to get the module. */
  readonly selector: Readonly<Record<string, string>>;
  readonly moduleName: string;
  /** For the API server. */
  readonly manifest: { readonly metadata: { readonly name: string } };
  /** The same as YAML, with the comments of the example. */
  readonly yaml: string;
  /** What differs from the file, a sentence each. */
  readonly changes: readonly string[];
  /** Where the image for a kernel has to be pushed. */
  readonly imageFor: (kernel: string) => TaggedImage;
}

export interface TaggedImage {
  readonly registry: string;
  readonly repository: string;
  readonly tag: string;
}

const CONTAINER = ['spec', 'moduleSpec', 'moduleLoader', 'container'];
const IMAGE = [...CONTAINER, 'kernelMappings', 0, 'containerImage'];

/**
 * Points the first kernel mapping of an example at another registry, which speaks plain HTTP.
 * @throws Error when the text is not a ManagedClusterModule of that shape.
 */
export function adaptExample(text: string, registryHost: string): AdaptedExample {
  const document = parseDocument(text);
  const textAt = (path: readonly (string | number)[]): string => {
    const value = document.getIn(path);
    if (typeof value !== 'string' || value === '')
      throw new Error(`The example has no text at ${path.join('.')}; the demo needs one there.`);
    return value;
  };
  const template = textAt(IMAGE);
  const written = referenceFor(template, 'KERNEL');
  const adapted = template.replace(`${written.registry}/`, `${registryHost}/`);
  document.setIn(IMAGE, adapted);
  document.setIn([...CONTAINER, 'registryTLS'], document.createNode({ insecure: true }));
  const isBuilt = document.hasIn([...CONTAINER, 'build']);
  if (isBuilt) document.setIn([...CONTAINER, 'build', 'baseImageRegistryTLS'], document.createNode({ insecure: true }));
  const name = textAt(['metadata', 'name']);
  const manifest = document.toJS() as AdaptedExample['manifest'] & { readonly spec: { readonly selector?: Record<string, string> } };
  return {
    name,
    selector: manifest.spec.selector ?? {},
    moduleName: textAt([...CONTAINER, 'modprobe', 'moduleName']),
    manifest,
    yaml: document.toString(),
    changes: [
      `containerImage names the registry of this demo: ${written.registry} is now ${registryHost}.`,
      'registryTLS.insecure is true, since that registry speaks plain HTTP.',
      ...(isBuilt ? ['build.baseImageRegistryTLS.insecure is true, since the base images lie in the same registry.'] : []),
    ],
    imageFor: (kernel) => referenceFor(adapted, kernel),
  };
}

function referenceFor(template: string, kernel: string): TaggedImage {
  const expanded = expandTemplate(template, { KERNEL_FULL_VERSION: kernel });
  if (!expanded.ok) throw new Error(expanded.message);
  const parsed = parseImageReference(expanded.value);
  if (!parsed.ok) throw new Error(parsed.message);
  const { registry, repository, tag } = parsed.value;
  if (tag === undefined || !tag.includes(kernel))
    throw new Error(`The example's image ${template} has no tag with \${KERNEL_FULL_VERSION}; the demo pushes one image per kernel.`);
  return { registry, repository, tag };
}
