import { resources, type HubApi } from '../../src/kube/index.js';
import { startControlPlane, type ControlPlane, type ControlPlaneOptions } from './control-plane.js';
import { startRegistry, type Registry } from './registry.js';
import { startTemporal, type Temporal, type TemporalOptions } from './temporal.js';

export interface StackOptions {
  readonly controlPlane?: ControlPlaneOptions;
  readonly temporal?: TemporalOptions;
  readonly registry?: { readonly auth?: 'none' | 'basic' };
}

/** Everything a hub needs around it, real: an API server with our CRDs, Temporal and a registry. */
export interface Stack {
  readonly control: ControlPlane;
  readonly temporal: Temporal;
  readonly registry: Registry;
  readonly api: HubApi;
  stop(): Promise<void>;
}

export const OPERATOR_NAMESPACE = 'kmodflow-system';

export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const started: { stop(): Promise<void> }[] = [];
  const keep = async <T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const part = await starting;
    started.push(part);
    return part;
  };
  const stop = async (): Promise<void> => {
    for (const part of started.reverse()) await part.stop();
  };
  const parts = await Promise.allSettled([
    keep(startControlPlane(options.controlPlane)),
    keep(startTemporal(options.temporal)),
    keep(startRegistry(options.registry)),
  ]);
  const [control, temporal, registry] = parts;
  if (control.status === 'rejected' || temporal.status === 'rejected' || registry.status === 'rejected') {
    await stop();
    throw parts.find((p) => p.status === 'rejected')?.reason;
  }
  const { api } = control.value;
  await api.apply(resources.namespaces, { metadata: { name: OPERATOR_NAMESPACE } });
  return { control: control.value, temporal: temporal.value, registry: registry.value, api, stop };
}
