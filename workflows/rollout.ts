import {
  getExternalWorkflowHandle,
  setCurrentDetails,
  setHandler,
  startChild,
  workflowInfo,
  type ChildWorkflowHandle,
} from '@temporalio/workflow';
import { rolloutDetails } from '../src/domain/details.js';
import { moduleWorkflowId, waveWorkflowId } from '../src/domain/messages.js';
import type { RolloutOutcome, RolloutRecord, WaveRef, WaveResult, WaveTotals } from '../src/domain/process.js';
import { addTotals, judgeRollout, noTotals } from '../src/domain/rollout-outcome.js';
import { planWave } from './activity-proxies.js';
import { nowText } from './clock.js';
import { setPausedSignal, stopSignal, workFinishedSignal } from './messages.js';
import { upsertAttributes } from './search-attributes.js';
import { wave } from './wave.js';

export interface RolloutInput extends WaveRef {
  readonly number: number;
  readonly paused: boolean;
}

/**
 * Rolls one revision out. Here it is one wave over all clusters that need it; a fleet whose names do not fit one payload is planned in pages, a wave each.
 * Its record goes to the module's workflow by signal, so that it also reaches a run that began after this one.
 */
export async function rollout(input: RolloutInput): Promise<RolloutRecord> {
  const startedAt = nowText();
  let paused = input.paused;
  let stop: string | undefined;
  let current: ChildWorkflowHandle<typeof wave> | undefined;
  let totals: WaveTotals = noTotals();
  let waves = 0;
  const failures: WaveResult['failures'][number][] = [];
  const title = `${input.name}, rollout ${input.number}`;
  const show = (): void => setCurrentDetails(rolloutDetails({ title, revision: input.revision, waves, totals, failures, paused, stop }));
  setHandler(setPausedSignal, async (value) => {
    paused = value;
    show();
    await current?.signal(setPausedSignal, value).catch(() => undefined); // the wave has ended meanwhile
  });
  setHandler(stopSignal, async (why) => {
    stop = why;
    show();
    await current?.signal(stopSignal, why).catch(() => undefined);
  });
  upsertAttributes({ module: input.name, revision: input.revision });
  show();

  const { number: _number, paused: _paused, ...ref } = input;
  let after: string | undefined;
  do {
    const page = await planWave(`Plans wave ${waves + 1} of revision ${input.revision}`, { ...ref, after });
    after = page.next;
    if (page.clusters.length === 0 || stop !== undefined) break;
    waves += 1;
    show();
    const told = paused;
    const child = await startChild(wave, {
      workflowId: waveWorkflowId(input.name, input.number, waves),
      args: [{ ...ref, title: `${title}, wave ${waves}`, clusters: page.clusters, paused }],
      staticSummary: `Wave ${waves}: ${page.clusters.length} clusters to ${input.revision}`,
    });
    current = child;
    // What was said while the wave was being started has reached nobody yet.
    if (paused !== told) await child.signal(setPausedSignal, paused).catch(() => undefined);
    if (stop !== undefined) await child.signal(stopSignal, stop).catch(() => undefined);
    const result = await child.result();
    current = undefined;
    totals = addTotals(totals, result.totals);
    failures.push(...result.failures);
  } while (after !== undefined && stop === undefined);

  const outcome: RolloutOutcome = stop === undefined ? judgeRollout(totals, input.policy.maxFailures) : 'Superseded';
  const record: RolloutRecord = {
    number: input.number,
    revision: input.revision,
    outcome,
    startedAt,
    finishedAt: nowText(),
    clusters: totals,
    message: stop ?? rolloutMessage(outcome, totals),
  };
  show();
  await getExternalWorkflowHandle(moduleWorkflowId(input.name))
    .signal(workFinishedSignal, { workflowId: workflowInfo().workflowId, record })
    .catch(() => undefined); // the module's workflow has ended: its ManifestWorks are being removed
  return record;
}

const rolloutMessage = (outcome: RolloutOutcome, { total, loaded, noNodes, failed, offline, excluded }: WaveTotals): string => {
  const parts = [`${loaded} loaded`, `${noNodes} without matching nodes`, `${failed} failed`, `${offline} offline`, `${excluded} excluded`];
  return `${outcome === 'Completed' ? 'Completed' : 'Ended with failures'}: of ${total} clusters ${parts.filter((p) => !p.startsWith('0 ')).join(', ') || 'none needed a change'}.`;
};
