import type { JobFailureKind } from './image-process.js';

export type Stage = Extract<JobFailureKind, 'Check' | 'Fetch' | 'Build' | 'Sign' | 'Push'>;

/** What a container of a build pod says at its end, when it failed. */
export interface Termination {
  readonly stage: Stage;
  readonly message: string;
  readonly exitCode?: number | undefined;
  readonly step?: string | undefined;
  /** Why, in one word: `denied`, `missing`, `unavailable`, `digest` (of a registry), `disk`, `memory`, `network`, `sandbox`, `input`, `step`. */
  readonly cause?: string | undefined;
}

const STAGES: ReadonlySet<string> = new Set<Stage>(['Check', 'Fetch', 'Build', 'Sign', 'Push']);
const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** A pod may run other images than ours: what comes from there is cut, characters. */
const MAX_MESSAGE = 1_000;
const MAX_STEP = 200;

/** @returns The pushed digest, the failure, or undefined when it is neither. */
export function readTermination(text: string | undefined): { readonly digest: string } | Termination | undefined {
  const said = parse(text);
  if (said === undefined) return undefined;
  const { digest, stage, message, exitCode, step, cause } = said;
  if (typeof digest === 'string' && DIGEST.test(digest)) return { digest };
  if (typeof stage !== 'string' || !isStage(stage)) return undefined;
  return {
    stage,
    message: (textOf(message) ?? `The stage ${stage} failed.`).slice(0, MAX_MESSAGE),
    exitCode: typeof exitCode === 'number' ? exitCode : undefined,
    step: textOf(step)?.slice(0, MAX_STEP),
    cause: textOf(cause),
  };
}

function parse(text: string | undefined): Record<string, unknown> | undefined {
  try {
    const said: unknown = JSON.parse(text ?? '');
    return typeof said === 'object' && said !== null && !Array.isArray(said) ? (said as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const isStage = (text: string): text is Stage => STAGES.has(text);
const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
