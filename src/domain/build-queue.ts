/** Which image is built next: pure rules over the queue's state. Same state, same answer. */

export interface QueueRequest {
  /** Of the image. */
  readonly workflowId: string;
  /** Modules that need the image, at least one. */
  readonly modules: readonly string[];
  readonly key: string;
  /** What people see. */
  readonly title: string;
}

export interface Waiting extends QueueRequest {
  /** Counts arrivals: who came first has the lower number. */
  readonly arrival: number;
  /** RFC 3339 */
  readonly since: string;
}

export interface Running extends Waiting {
  /** The module that the slot counts for. */
  readonly chargedTo: string;
}

/** Plain data, carried over continue-as-new. */
export interface QueueState {
  /** Slots. The newest that was told. */
  readonly capacity: number;
  readonly waiting: readonly Waiting[];
  readonly running: readonly Running[];
  readonly arrivals: number;
  /** Grants so far. */
  readonly turns: number;
  /** The turn at which a module was last served. */
  readonly served: Readonly<Record<string, number>>;
}

/** Modules whose last turn is remembered although they have nothing in the queue. */
const SERVED_KEPT = 500;

export const emptyQueue = (): QueueState => ({ capacity: 1, waiting: [], running: [], arrivals: 0, turns: 0, served: {} });

export const isEmpty = ({ waiting, running }: QueueState): boolean => waiting.length + running.length === 0;

/** Puts an entry in, or brings it up to date: whoever is in the queue keeps their place. */
export function enqueue(state: QueueState, request: QueueRequest & { readonly capacity: number }, now: string): QueueState {
  const { capacity: told, ...entry } = request;
  const capacity = Number.isFinite(told) ? Math.max(1, Math.floor(told)) : state.capacity;
  const update = <E extends Waiting>(e: E): E => (e.workflowId === entry.workflowId ? { ...e, ...entry } : e);
  if ([...state.running, ...state.waiting].some((e) => e.workflowId === entry.workflowId))
    return { ...state, capacity, waiting: state.waiting.map(update), running: state.running.map(update) };
  const arrivals = state.arrivals + 1;
  return { ...state, capacity, arrivals, waiting: [...state.waiting, { ...entry, arrival: arrivals, since: now }] };
}

export const leave = (state: QueueState, workflowId: string): QueueState => ({
  ...state,
  waiting: state.waiting.filter((e) => e.workflowId !== workflowId),
  running: state.running.filter((e) => e.workflowId !== workflowId),
});

/** A waiting entry gets a slot: granted, or taken by a Job that runs already, even if none is free. Unknown ids change nothing. */
export function hold(state: QueueState, workflowId: string, now: string): QueueState {
  const entry = state.waiting.find((e) => e.workflowId === workflowId);
  if (entry === undefined) return state;
  const { module } = claimOf(entry, state.served, slotsByModule(state));
  const turns = state.turns + 1;
  return {
    ...state,
    waiting: state.waiting.filter((e) => e !== entry),
    running: [...state.running, { ...entry, since: now, chargedTo: module }],
    turns,
    served: forgetOldest({ ...state.served, [module]: turns }),
  };
}

/** Who gets a slot now, in order, as far as slots are free. */
export const nextGrants = (state: QueueState): string[] => inTurn(state, Math.max(0, state.capacity - state.running.length));

/** The waiting in the order in which slots would be granted if nobody else came and nobody ended before. @param most Look no further than so many. */
export function inTurn(state: QueueState, most = state.waiting.length): string[] {
  const order: string[] = [];
  let rest = state;
  while (order.length < most) {
    const next = first(rest);
    if (next === undefined) break;
    order.push(next.workflowId);
    rest = hold(rest, next.workflowId, '');
  }
  return order;
}

/** How good a place an entry has through one of its modules. Compared from the first number to the last, the smaller wins. */
interface Claim {
  readonly module: string;
  /** Slots of the module now; turn at which it was last served (0: never); arrival. */
  readonly place: readonly [slots: number, lastTurn: number, arrival: number];
}

/** Across modules the one with the fewest slots, then the one that was served longest ago; within a module who came first, which decides all ties. */
function first(state: QueueState): Waiting | undefined {
  const slots = slotsByModule(state);
  let best: { readonly entry: Waiting; readonly claim: Claim } | undefined;
  for (const entry of state.waiting) {
    const claim = claimOf(entry, state.served, slots);
    if (best === undefined || isBefore(claim, best.claim)) best = { entry, claim };
  }
  return best?.entry;
}

/** An image that several modules share counts for the one with the best place. */
function claimOf({ modules, arrival }: Waiting, served: QueueState['served'], slots: ReadonlyMap<string, number>): Claim {
  const claims = modules.map((module): Claim => ({ module, place: [slots.get(module) ?? 0, served[module] ?? 0, arrival] }));
  return claims.reduce((best, claim) => (isBefore(claim, best) ? claim : best), claims[0] ?? { module: '', place: [0, 0, arrival] });
}

function slotsByModule({ running }: QueueState): ReadonlyMap<string, number> {
  const slots = new Map<string, number>();
  for (const { chargedTo } of running) slots.set(chargedTo, (slots.get(chargedTo) ?? 0) + 1);
  return slots;
}

function isBefore(a: Claim, b: Claim): boolean {
  for (const [i, number] of a.place.entries()) if (number !== b.place[i]) return number < (b.place[i] ?? 0);
  return false;
}

function forgetOldest(served: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  const entries = Object.entries(served);
  if (entries.length <= SERVED_KEPT) return served;
  return Object.fromEntries(entries.sort(([, a], [, b]) => b - a).slice(0, SERVED_KEPT));
}

export interface QueueView {
  readonly capacity: number;
  readonly running: readonly (QueueRequest & { readonly since: string })[];
  /** In the order in which they get a slot, as it looks now; `position` counts from 1. */
  readonly waiting: readonly (QueueRequest & { readonly since: string; readonly position: number })[];
}

export function viewQueue(state: QueueState): QueueView {
  const shown = ({ workflowId, modules, key, title, since }: Waiting) => ({ workflowId, modules, key, title, since });
  const byId = new Map(state.waiting.map((e) => [e.workflowId, e]));
  const waiting = inTurn(state).flatMap((id, i) => {
    const entry = byId.get(id);
    return entry === undefined ? [] : [{ ...shown(entry), position: i + 1 }];
  });
  return { capacity: state.capacity, running: state.running.map(shown), waiting };
}
