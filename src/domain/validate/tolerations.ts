import type { ModuleSpec } from '../../api/index.js';
import { isLabelValue, isQualifiedName, KEY_RULE, VALUE_RULE } from './names.js';
import { isSet, quote, specProblem, type SpecProblem } from './spec-problem.js';

type Toleration = NonNullable<ModuleSpec['tolerations']>[number];
type Complaint = { readonly field: string; readonly text: string };

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

/** The rules that the spoke's admission has for tolerations (KMM, internal/webhook/module.go). */
export function validateTolerations(path: string, tolerations: readonly Toleration[]): SpecProblem[] {
  return tolerations.flatMap((toleration, i) =>
    [...complaints(toleration)].map(({ field, text }) => specProblem(`${path}[${i}].${field}`, `${path}[${i}].${field} ${text}.`)),
  );
}

function* complaints(toleration: Toleration): Generator<Complaint> {
  const { key, operator, effect, tolerationSeconds } = toleration;
  if (isSet(key) && !isQualifiedName(key)) yield { field: 'key', text: `is ${quote(key)}; expected ${KEY_RULE}` };
  if (!isSet(key) && operator !== 'Exists')
    yield { field: 'operator', text: `is ${quote(operator ?? '')}; it must be "Exists" when key is empty` };
  if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
    yield { field: 'effect', text: `is ${quote(effect ?? '')}; it must be "NoExecute" when tolerationSeconds is set` };
  }
  yield* operatorComplaints(toleration);
  if (isSet(effect) && !EFFECTS.includes(effect))
    yield { field: 'effect', text: `is ${quote(effect)}; expected "NoSchedule", "PreferNoSchedule" or "NoExecute"` };
}

/** An absent operator means Equal. */
function* operatorComplaints({ operator, value = '' }: Toleration): Generator<Complaint> {
  if (!isSet(operator) || operator === 'Equal') {
    if (!isLabelValue(value)) yield { field: 'value', text: `is ${quote(value)}; for operator "Equal" expected ${VALUE_RULE}` };
  } else if (operator !== 'Exists') {
    yield { field: 'operator', text: `is ${quote(operator)}; expected "Equal" or "Exists"` };
  } else if (value !== '') {
    yield { field: 'value', text: `is ${quote(value)}; it must be empty when operator is "Exists"` };
  }
}
