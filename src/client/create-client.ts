import type { Client } from '@temporalio/client';
import type { ManagedClusterModuleSpec } from '../api/index.js';
import { Fault, isFault } from '../domain/fault.js';
import type { InputNames, KnownInputs } from '../domain/image-need.js';
import { createFleet, createImageInputs, type HubApi } from '../kube/index.js';
import { droppedNote, eventsOfCluster } from './cluster-history.js';
import { clusterRows } from './cluster-rows.js';
import { readFleetSnapshot } from './fleet-snapshot.js';
import { readImageLogs } from './image-logs.js';
import { readImages } from './images.js';
import { listModules } from './list.js';
import { checkChange, checkManifest, checkSpec } from './manifest.js';
import { historyOf, imageProblemsOf, readModuleObject, reportOf, specOf, type ModuleObject } from './module-object.js';
import type { ClientParts, HubReads } from './parts.js';
import { planModule } from './plan.js';
import { sha256 } from './revision-of.js';
import { attempt, noModule, readStatus } from './status.js';
import { createTemporalWorkflows } from './temporal-workflows.js';
import type { ClusterRow, KmodflowClient, ModuleHistory, ModulePreview, Person, StartInput, Started } from './types.js';
import { untilReady, waitUntil } from './wait.js';
import { readWantedRevision } from './wanted-revision.js';
import type { Request } from './workflows.js';

export interface KmodflowClientOptions {
  /** A connected client of Temporal. A function connects on first use: what Kubernetes alone can answer then needs no Temporal. */
  readonly temporal: Client | (() => Promise<Client>);
  /** The hub's API server, or a function that gives it on first use. Without it there are only headless modules, and neither clusters nor plans. */
  readonly kube?: HubApi | (() => HubApi) | undefined;
  /** Where revisions stand, default `kmodflow-system`. */
  readonly operatorNamespace?: string | undefined;
  /** Of the workers, default `kmodflow`. */
  readonly taskQueue?: string | undefined;
  /** The hub's settle time, for judging single clusters where the MCM does not set one. Default 120,000 ms. */
  readonly settleMs?: number | undefined;
}

/** Waves whose histories are read for one cluster. */
const WAVES_READ = 50;

/** The programmatic API. Connects to nothing before the first call; the caller closes what it handed in. */
export function createKmodflowClient(options: KmodflowClientOptions): KmodflowClient {
  const { temporal, kube, operatorNamespace = 'kmodflow-system', taskQueue = 'kmodflow', settleMs = 120_000 } = options;
  const connect = typeof temporal === 'function' ? temporal : (): Promise<Client> => Promise.resolve(temporal);
  const hub = (): HubApi => {
    if (kube === undefined) throw new Fault('Unavailable', 'This needs the API server of the hub, and the client was made without one.');
    return typeof kube === 'function' ? kube() : kube;
  };
  return clientOf({
    workflows: createTemporalWorkflows({ connect, taskQueue }),
    kube: hub,
    operatorNamespace,
    imageInputs: async (names) => readInputsOnce(hub(), operatorNamespace, names),
    settleMs,
    now: Date.now,
  });
}

const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** A program that runs for a moment watches nothing: the fleet is not started, so that every input is read. */
function readInputsOnce(api: HubApi, operatorNamespace: string, names: InputNames): Promise<KnownInputs> {
  const fleet = createFleet({ api, operatorNamespace, sha256, logger: SILENT, now: Date.now });
  return createImageInputs({ api, fleet, operatorNamespace }).read(names);
}

export function clientOf(parts: ClientParts): KmodflowClient {
  const { workflows } = parts;
  const request = (name: string, asked: Request, { by, reason }: Person, more: object = {}): Promise<string> =>
    workflows.request(name, asked, { by, ...(reason === undefined ? {} : { reason }), ...more });
  const client: KmodflowClient = {
    start: (input) => start(parts, input),
    setSpec: async (name, spec, person) => request(name, 'setSpec', person, { spec: checkSpec(name, spec).spec }),
    status: (name) => readStatus(parts, name),
    list: () => listModules(parts),
    clusters: (name) => clusters(parts, name),
    images: (name) => readImages(parts, name),
    logs: (name, options = {}) => readImageLogs(parts, name, options),
    plan: (mcm) => plan(parts, mcm),
    history: (name, { cluster } = {}) => history(parts, name, cluster),
    pause: (name, person) => request(name, 'pause', person),
    resume: (name, person) => request(name, 'resume', person),
    retry: (name, person) => request(name, 'retry', person),
    confirmRemoval: (name, person) => request(name, 'confirmRemoval', person, person.token === undefined ? {} : { token: person.token }),
    delete: (name, person) => request(name, 'delete', person),
    waitFor: (name, until = untilReady, options = {}) => waitUntil(() => client.status(name), name, until, options),
  };
  return client;
}

async function start(parts: ClientParts, input: StartInput): Promise<Started> {
  const { name, spec } = 'name' in input && input.name !== undefined ? checkSpec(input.name, input.spec) : checkManifest(input.mcm);
  const object = await optionalObject(parts, name);
  if (object !== undefined) {
    const message = `A ManagedClusterModule ${name} exists on the hub, and its workflow looks after it. Change it with kubectl apply, or choose another name.`;
    throw new Fault('Conflict', message);
  }
  return parts.workflows.start(name, spec);
}

/** The object where there is a hub to ask. A client made for headless modules alone has none. */
async function optionalObject(parts: ClientParts, name: string): Promise<ModuleObject | undefined> {
  let kube: HubReads;
  try {
    kube = parts.kube();
  } catch (error) {
    if (isFault(error)) return undefined;
    throw error;
  }
  return readModuleObject(kube, name);
}

interface Source {
  readonly object: ModuleObject | undefined;
  readonly spec: ManagedClusterModuleSpec;
}

async function clusters(parts: ClientParts, name: string): Promise<ClusterRow[]> {
  const kube = parts.kube();
  const { object, spec } = await source(parts, name);
  const report = object === undefined ? await parts.workflows.status(name) : reportOf(object);
  const [snapshot, { recorded: revision }] = await Promise.all([
    readFleetSnapshot(kube, { module: name, selector: spec.selector, sha256 }),
    readWantedRevision(parts, name, spec),
  ]);
  return clusterRows({
    name,
    spec,
    ownerUid: object?.metadata.uid,
    revision,
    imageProblems: imageProblemsOf(report.images),
    history: report.history,
    snapshot,
    settleMs: parts.settleMs,
    nowMs: parts.now(),
    sha256,
  });
}

/** The module's spec: from its object, or from the workflow of a headless one. */
async function source(parts: ClientParts, name: string): Promise<Source> {
  const object = await readModuleObject(parts.kube(), name);
  if (object !== undefined) return { object, spec: specOf(object) };
  const asked = await attempt(() => parts.workflows.headlessSpec(name));
  if (!asked.ok) throw asked.fault.kind === 'Missing' ? noModule(name) : asked.fault;
  if (asked.value === undefined)
    throw new Fault('Missing', `There is no ManagedClusterModule ${name} any more; its workflow is removing what it left.`);
  return { object, spec: asked.value };
}

async function plan(parts: ClientParts, mcm: unknown): Promise<ModulePreview> {
  const { name, spec } = checkManifest(mcm);
  const kube = parts.kube();
  const object = await readModuleObject(kube, name);
  if (object !== undefined) checkChange(name, specOf(object), spec);
  const [snapshot, { frozen, recorded }] = await Promise.all([
    readFleetSnapshot(kube, { module: name, selector: spec.selector, sha256 }),
    readWantedRevision(parts, name, spec),
  ]);
  const report = object === undefined ? undefined : reportOf(object);
  return planModule({
    name,
    spec,
    exists: object !== undefined,
    ownerUid: object?.metadata.uid,
    currentRevision: report?.currentRevision,
    inputs: frozen.inputs,
    recorded,
    // What was missing for another spec says nothing about this one.
    imageProblems: recorded === undefined ? new Map() : imageProblemsOf(report?.images ?? []),
    snapshot,
    sha256,
  });
}

async function history(parts: ClientParts, name: string, cluster: string | undefined): Promise<ModuleHistory> {
  const { rollouts, source: from, notes } = await rolloutsOf(parts, name);
  if (cluster === undefined) return { source: from, rollouts, events: [], notes };
  const runs = await parts.workflows.waves(name, WAVES_READ);
  const events = [];
  for (const run of runs) events.push(...eventsOfCluster(cluster, run, await parts.workflows.waveSteps(run)));
  events.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  const dropped = runs.length < WAVES_READ ? droppedNote(rollouts, runs) : `Only the newest ${WAVES_READ} waves were read.`;
  return { source: from, rollouts, cluster, events, notes: [...notes, ...(dropped === undefined ? [] : [dropped])] };
}

async function rolloutsOf(parts: ClientParts, name: string): Promise<Pick<ModuleHistory, 'rollouts' | 'source' | 'notes'>> {
  const asked = await attempt(() => parts.workflows.history(name));
  if (asked.ok) return { rollouts: asked.value, source: 'workflow', notes: [] };
  const object = await optionalObject(parts, name);
  if (object === undefined) throw asked.fault.kind === 'Missing' ? noModule(name) : asked.fault;
  return {
    rollouts: historyOf(object),
    source: 'object',
    notes: [`${asked.fault.message} These are the rollouts that the status remembers.`],
  };
}
