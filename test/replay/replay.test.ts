import { beforeAll, describe, expect, test } from '@jest/globals';
import { DefaultLogger, Runtime, Worker, type ReplayWorkerOptions } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../harness/parts.js';
import { workflowBundle } from '../harness/workflow-bundle.js';
import { readHistory } from './stored-history.js';

interface StoredEvent {
  readonly eventType: string;
  readonly workflowExecutionStartedEventAttributes?: { readonly workflowType: { readonly name: string } };
  readonly activityTaskScheduledEventAttributes?: { readonly activityType: { name: string } };
  readonly startChildWorkflowExecutionInitiatedEventAttributes?: { readonly workflowType: { name: string } };
}
interface StoredHistory {
  readonly events: readonly StoredEvent[];
}

const folder = join(import.meta.dirname, 'histories');
const stored = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => ({ file, text: readFileSync(join(folder, file), 'utf8') }));
const parse = (text: string): StoredHistory => JSON.parse(text) as StoredHistory;
const typeOf = ({ events }: StoredHistory): string => events[0]?.workflowExecutionStartedEventAttributes?.workflowType.name ?? '';

let options: ReplayWorkerOptions;
beforeAll(async () => {
  // A replay that fails is what some cases are about; its stack traces say nothing more.
  Runtime.install({ logger: new DefaultLogger('ERROR', () => undefined), telemetryOptions: { logging: { forward: {}, filter: 'ERROR' } } });
  options = { workflowBundle: await workflowBundle() };
}, 120_000);

/** The first event with these attributes is said to have been about another type. */
function tamper(
  history: StoredHistory,
  attributes: 'activityTaskScheduledEventAttributes' | 'startChildWorkflowExecutionInitiatedEventAttributes',
): StoredHistory {
  const copy = structuredClone(history);
  for (const event of copy.events) {
    const of = event[attributes];
    if (of === undefined) continue;
    const type = 'activityType' in of ? of.activityType : of.workflowType;
    type.name = 'renamed';
    return copy;
  }
  throw new Error(`The history has no event with ${attributes}: nothing can be tampered with.`);
}

describe('a workflow that began under older code goes on under this one', () => {
  test.each(stored)('$file replays', async ({ text }) => {
    await Worker.runReplayHistory(options, readHistory(parse(text)));
  });
});

describe('the replay notices when the code does something else than the history says', () => {
  test.each(stored.filter(({ text }) => text.includes('"activityTaskScheduledEventAttributes"')))(
    '$file with another activity',
    async ({ text }) => {
      const replay = Worker.runReplayHistory(options, readHistory(tamper(parse(text), 'activityTaskScheduledEventAttributes')));
      await expect(replay).rejects.toThrow(DeterminismViolationError);
    },
  );

  test('a module that started another child', async () => {
    const text = stored.find(({ file }) => file === 'managedClusterModule-first-rollout-and-catch-up.json')?.text;
    if (text === undefined) throw new Error('The history of a first rollout is missing.');
    const tampered = tamper(parse(text), 'startChildWorkflowExecutionInitiatedEventAttributes');
    await expect(Worker.runReplayHistory(options, readHistory(tampered))).rejects.toThrow(DeterminismViolationError);
  });
});

describe('the stored histories', () => {
  const types = [...readFileSync(join(repositoryRoot, 'workflows/index.ts'), 'utf8').matchAll(/export \{ (\w+) \}/g)].map(
    ([, name]) => name,
  );

  test('cover every workflow type', () => {
    expect(types.length).toBeGreaterThanOrEqual(3);
    expect([...new Set(stored.map(({ text }) => typeOf(parse(text))))].sort()).toEqual([...types].sort());
  });

  test.each(stored)('$file is named for its type', ({ file, text }) => {
    expect(file.split('-')[0]).toBe(typeOf(parse(text)));
  });

  test.each(stored)('$file says nothing of the machine that it was recorded on', ({ text }) => {
    const payloads = [...text.matchAll(/"data":"([^"]+)"/g)].map(([, data]) => Buffer.from(data ?? '', 'base64').toString());
    for (const place of [text, ...payloads]) {
      expect(place).not.toMatch(/(?<![\w-])\d+@/); // process id and host name, as Temporal's clients call themselves
      expect(place).not.toMatch(/(?<![\w.-])\/(home|root|Users|tmp|var|usr)\//);
      expect(place).not.toMatch(/127\.0\.0\.1|localhost/);
    }
    expect([...new Set(text.match(/"identity":"[^"]*"/g))].filter((i) => i !== '"identity":"kmodflow"')).toEqual([]);
  });
});
