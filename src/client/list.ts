import type { ModuleStatus } from '../domain/module-status.js';
import { resources } from '../kube/index.js';
import type { ClientParts, HubReads } from './parts.js';
import { phaseOfObject, reportOf, type ModuleObject } from './module-object.js';
import { attempt } from './status.js';
import type { ModuleList, ModuleListItem } from './types.js';
import type { RunningModule } from './workflows.js';

type Parts = Pick<ClientParts, 'workflows' | 'kube'>;

/** Headless modules are asked one by one: so many at once. */
const ASKED_AT_ONCE = 8;

/** Every module: those with an object, and those that only a running workflow knows of. */
export async function listModules({ workflows, kube }: Parts): Promise<ModuleList> {
  const [objects, running] = await Promise.all([attempt(async () => readObjects(kube())), attempt(() => workflows.running())]);
  if (!objects.ok && !running.ok) throw running.fault;
  const known = new Map((objects.ok ? objects.value : []).map((object) => [object.metadata.name, object]));
  const open = new Map((running.ok ? running.value : []).map((r) => [r.name, r]));
  const others = [...open.values()].filter((r) => !known.has(r.name));
  const modules = [
    ...[...known.values()].map((object) => ofObject(object, running.ok ? open.has(object.metadata.name) : undefined)),
    ...(await askAll(others, (name) => workflows.status(name))),
  ];
  return {
    modules: modules.sort((a, b) => (a.name < b.name ? -1 : 1)),
    notes: [
      ...(objects.ok ? [] : [`ManagedClusterModules are not listed: ${objects.fault.message}`]),
      ...(running.ok ? [] : [`Headless modules are not listed: ${running.fault.message}`]),
    ],
  };
}

async function readObjects(kube: HubReads): Promise<ModuleObject[]> {
  const { items } = await kube.listAll(resources.managedClusterModules);
  return items as unknown as ModuleObject[];
}

function ofObject(object: ModuleObject, running: boolean | undefined): ModuleListItem {
  const { fleet, updateRevision, currentRevision } = reportOf(object);
  return {
    name: object.metadata.name,
    headless: false,
    phase: phaseOfObject(object),
    selected: fleet.selected,
    loaded: fleet.states.Loaded,
    failed: fleet.states.Failed,
    offline: fleet.states.Offline,
    revision: currentRevision ?? updateRevision,
    running,
    createdAt: object.metadata.creationTimestamp,
  };
}

async function askAll(others: readonly RunningModule[], status: (name: string) => Promise<ModuleStatus>): Promise<ModuleListItem[]> {
  const items: ModuleListItem[] = [];
  const queue = [...others];
  const work = async (): Promise<void> => {
    for (let module = queue.shift(); module !== undefined; module = queue.shift()) {
      const { name } = module;
      const asked = await attempt(() => status(name));
      items.push(ofWorkflow(module, asked.ok ? asked.value : undefined));
    }
  };
  await Promise.all(Array.from({ length: Math.min(ASKED_AT_ONCE, queue.length) }, work));
  return items;
}

/** What visibility alone says, where no worker answers. */
const ofWorkflow = ({ name, phase, startedAt }: RunningModule, status: ModuleStatus | undefined): ModuleListItem => ({
  name,
  headless: status?.headless ?? true,
  phase: status?.phase ?? phase ?? 'Unknown',
  selected: status?.fleet.selected,
  loaded: status?.fleet.states.Loaded,
  failed: status?.fleet.states.Failed,
  offline: status?.fleet.states.Offline,
  revision: status?.currentRevision ?? status?.updateRevision,
  running: true,
  createdAt: startedAt.toISOString(),
});
