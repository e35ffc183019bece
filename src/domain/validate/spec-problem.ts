import type { Reason } from '../reasons.js';

/** One thing that is wrong with a spec, with where it is. */
export interface SpecProblem {
  /** Field path, such as `spec.moduleSpec.moduleLoader.container.kernelMappings[0].regexp`. */
  readonly path: string;
  /** A sentence with the field path, what was got and what would be right. */
  readonly message: string;
  /** Set where another reason than `InvalidSpec` fits. */
  readonly reason?: Reason;
}

export const specProblem = (path: string, message: string, reason?: Reason): SpecProblem => ({
  path,
  message,
  ...(reason === undefined ? {} : { reason }),
});

/** A value as a message shows it. */
export const quote = (value: unknown): string => JSON.stringify(value) ?? 'nothing';

/** Upstream's clients write "" for "not set", so both mean the same. */
export const isSet = (text: string | undefined): text is string => text !== undefined && text !== '';
