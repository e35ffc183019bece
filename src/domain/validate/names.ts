import { quote, specProblem, type SpecProblem } from './spec-problem.js';

const MAX_LABEL = 63;
const MAX_SUBDOMAIN = 253;
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

/** RFC 1123 label: what may name a namespace. */
export const isDnsLabel = (text: string): boolean => text.length <= MAX_LABEL && DNS_LABEL.test(text);

/** RFC 1123 subdomain: what may name most objects. */
export const isDnsSubdomain = (text: string): boolean => text.length <= MAX_SUBDOMAIN && DNS_SUBDOMAIN.test(text);

/** Value of a label: at most 63 characters, may be empty. */
export const isLabelValue = (text: string): boolean => text === '' || (text.length <= MAX_LABEL && QUALIFIED.test(text));

/** Key of a label or a taint: a name of at most 63 characters, optionally below a DNS subdomain and a slash. */
export function isQualifiedName(text: string): boolean {
  const parts = text.split('/');
  const [prefix, name] = parts.length === 1 ? [undefined, text] : [parts[0], parts[1] ?? ''];
  if (parts.length > 2 || (prefix !== undefined && !isDnsSubdomain(prefix))) return false;
  return name.length <= MAX_LABEL && QUALIFIED.test(name);
}

export const KEY_RULE = 'letters, digits, "-", "_" and ".", at most 63 characters, optionally after a DNS name and "/"';
export const VALUE_RULE = 'at most 63 letters, digits, "-", "_" and ".", beginning and ending with a letter or digit, or nothing';

/** Keys and values of a label map. */
export function validateLabels(path: string, labels: Readonly<Record<string, string>>): SpecProblem[] {
  return Object.entries(labels).flatMap(([key, value]) => [
    ...validateLabelKey(`${path}[${quote(key)}]`, key),
    ...(isLabelValue(value)
      ? []
      : [specProblem(`${path}[${quote(key)}]`, `${path}[${quote(key)}] is ${quote(value)}; a label value is ${VALUE_RULE}.`)]),
  ]);
}

export const validateLabelKey = (path: string, key: string): SpecProblem[] =>
  isQualifiedName(key) ? [] : [specProblem(path, `${path} has the key ${quote(key)}; a label key is ${KEY_RULE}.`)];
