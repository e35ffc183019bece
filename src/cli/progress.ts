import type { StatusAnswer } from '../client/index.js';
import type { Io } from './io.js';
import { span } from './times.js';

/** Shows how far a module is: one line that changes on a terminal, a line for each change elsewhere. On standard error, so that data stays data. */
export interface Progress {
  update(status: StatusAnswer): void;
  /** Leaves the cursor on a fresh line. */
  end(): void;
}

export function createProgress({ stderr, now }: Pick<Io, 'stderr' | 'now'>): Progress {
  const startedMs = now();
  const line = (status: StatusAnswer): string => `[${span(now() - startedMs).padStart(4)}] ${progressLine(status)}`;
  if (stderr.isTTY !== true) return { update: (status) => void stderr.write(`${line(status)}\n`), end: () => undefined };
  let last: StatusAnswer | undefined;
  const draw = (): void => {
    if (last !== undefined) stderr.write(`\r\u001b[2K${line(last).slice(0, Math.max(20, (stderr.columns ?? 100) - 1))}`);
  };
  const ticking = setInterval(draw, 1_000);
  return {
    update(status) {
      last = status;
      draw();
    },
    end() {
      clearInterval(ticking);
      if (last !== undefined) stderr.write('\n');
    },
  };
}

/** `Progressing: 12 of 24 loaded, 8 loading, 1 failed. Rollout 1 is under way.` */
export function progressLine({ phase, fleet, doing, trouble, note }: StatusAnswer): string {
  const { Publishing, Applied, Loading, Loaded, NoNodes, Failed, Offline, Excluded, Pending } = fleet.states;
  const parts: readonly (readonly [number, string])[] = [
    [Pending, 'waiting'],
    [Publishing + Applied + Loading, 'loading'],
    [NoNodes, 'without matching nodes'],
    [Failed, 'failed'],
    [Offline, 'offline'],
    [Excluded, 'excluded'],
  ];
  const counts = [`${Loaded} of ${fleet.selected} loaded`, ...parts.flatMap(([n, what]) => (n > 0 ? [`${n} ${what}`] : []))];
  const says = trouble ?? (doing === '' ? note : doing) ?? '';
  return `${phase}: ${counts.join(', ')}.${says === '' ? '' : ` ${says}`}`;
}
