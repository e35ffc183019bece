import type { ModuleSpec } from '../../api/index.js';
import { isDnsSubdomain } from './names.js';
import { quote, specProblem, type SpecProblem } from './spec-problem.js';

type Dra = NonNullable<ModuleSpec['dra']>;
type Volumes = NonNullable<Dra['volumes']>;

const HOST_DIRECTORIES = ['/dev', '/sys', '/var', '/opt', '/run'];

/** Rules for the DRA driver and the device plugin of a Module. Whether a spoke's Kubernetes knows DRA (1.34) can only be judged there. */
export function validatePlugins(path: string, { dra, devicePlugin }: ModuleSpec): SpecProblem[] {
  return [
    ...(dra !== undefined && devicePlugin !== undefined
      ? [specProblem(path, `${path} has both dra and devicePlugin; they are mutually exclusive: remove one of them.`)]
      : []),
    ...(dra === undefined ? [] : validateDra(`${path}.dra`, dra)),
    ...validateVolumes(`${path}.dra.volumes`, dra?.volumes ?? []),
    ...validateVolumes(`${path}.devicePlugin.volumes`, devicePlugin?.volumes ?? []),
  ];
}

function validateDra(path: string, { driverName, deviceClasses }: Dra): SpecProblem[] {
  const names = (deviceClasses ?? []).map(({ name }) => name);
  return [
    ...validateDnsName(`${path}.driverName`, driverName),
    ...names.flatMap((name, i) => {
      const field = `${path}.deviceClasses[${i}].name`;
      const first = names.indexOf(name);
      return first < i
        ? [
            specProblem(
              field,
              `${field} ${quote(name)} is a duplicate of ${path}.deviceClasses[${first}].name; give each class its own name.`,
            ),
          ]
        : validateDnsName(field, name);
    }),
  ];
}

const validateDnsName = (path: string, name: string): SpecProblem[] => {
  const expected = 'expected a DNS subdomain, such as gpu.example.com';
  if (name === '') return [specProblem(path, `${path} is empty; ${expected}.`)];
  return isDnsSubdomain(name) ? [] : [specProblem(path, `${path} is ${quote(name)}; ${expected}.`)];
};

function validateVolumes(path: string, volumes: Volumes): SpecProblem[] {
  return volumes.flatMap(({ hostPath }, i) => {
    if (hostPath === undefined) return [];
    const clean = cleanPath(hostPath.path);
    if (HOST_DIRECTORIES.some((directory) => clean === directory || clean.startsWith(`${directory}/`))) return [];
    const field = `${path}[${i}].hostPath.path`;
    return [
      specProblem(field, `${field} is ${quote(hostPath.path)}; only paths at or under /dev, /sys, /var, /opt and /run are permitted.`),
    ];
  });
}

/** Resolves `.`, `..` and repeated slashes by text alone, so that `/dev/../etc` is seen as `/etc`. A relative path stays relative. */
function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `${path.startsWith('/') ? '/' : ''}${parts.join('/')}`;
}
