import type { Problem } from '../domain/reasons.js';

/** A write that the hub would not take, and until when it is not tried again by itself. */
export interface Refusal {
  readonly problem: Problem;
  readonly untilMs: number;
}

interface Noted extends Refusal {
  readonly hash: string;
  readonly nudge: string | undefined;
  readonly attempts: number;
}

/** From 10 seconds, doubled up to 5 minutes: what is in the way (a namespace that does not exist yet, a policy) may go without any event. */
const WAIT_MS = { first: 10_000, most: 5 * 60_000 };

/**
 * ManifestWorks that the hub's API server refused, so that one cluster which cannot be written does not become a busy loop. Kept in memory alone: a process that starts
 * tries once more. Other content, or a person who asks, is tried at once.
 */
export class Refusals {
  readonly #now: () => number;
  readonly #noted = new Map<string, Noted>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** @param key `cluster/module`. @param hash of the content that was refused. @param nudge the attempt that a person asked for, if one. */
  note(key: string, hash: string, problem: Problem, nudge: string | undefined): void {
    const before = this.#noted.get(key);
    const attempts = before?.hash === hash ? before.attempts + 1 : 1;
    const waitMs = Math.min(WAIT_MS.most, WAIT_MS.first * 2 ** (attempts - 1));
    this.#noted.set(key, { hash, problem, nudge, attempts, untilMs: this.#now() + waitMs });
  }

  /** The refusal that still holds for this content; undefined: write it. */
  standing(key: string, hash: string, nudge: string | undefined): Refusal | undefined {
    const noted = this.#noted.get(key);
    if (noted === undefined || noted.hash !== hash || noted.untilMs <= this.#now()) return undefined;
    return nudge !== undefined && nudge !== noted.nudge ? undefined : noted;
  }

  forget(key: string): void {
    this.#noted.delete(key);
  }

  /** Something about the cluster changed: all of its refusals may be out of date. */
  forgetCluster(cluster: string): void {
    for (const key of this.#noted.keys()) if (key.startsWith(`${cluster}/`)) this.#noted.delete(key);
  }
}
