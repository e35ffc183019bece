import type { KubeConfig } from '@kubernetes/client-node';
import { createKmodflowClient, Fault, type KmodflowClient } from '../client/index.js';
import { loadConfig, type Config } from '../config.js';
import { createHubApi, loadKubeConfig, type HubApi } from '../kube/index.js';
import { connectTemporal, type TemporalClient } from '../temporal/connection.js';
import type { Io } from './io.js';
import type { GlobalOptions } from './options.js';

/** What a command works with. Nothing is contacted before a command needs it. */
export interface Session {
  readonly config: Config;
  readonly client: KmodflowClient;
  readonly temporal: () => Promise<TemporalClient>;
  close(): Promise<void>;
}

export type OpenSession = (io: Io, options: GlobalOptions) => Session;

/** @throws Fault `Invalid` for a setting that is wrong. */
export const configOf = (io: Pick<Io, 'env'>, options: GlobalOptions): Config =>
  loadConfig(io.env, {
    ...given('temporalAddress', options.temporalAddress),
    ...given('temporalNamespace', options.temporalNamespace),
    ...given('operatorNamespace', options.operatorNamespace),
    ...given('kubeconfig', options.kubeconfig),
    ...given('context', options.context),
  });

/** What the Kubernetes client makes up when it finds no kubeconfig anywhere. */
const MADE_UP_SERVER = 'http://localhost:8080';

/** @throws Fault `Invalid` when there is no usable kubeconfig. */
export function kubeConfigOf({ kubeconfig, context }: Pick<Config, 'kubeconfig' | 'context'>): KubeConfig {
  const kubeConfig = loadKubeConfig({ path: kubeconfig, context });
  if (kubeconfig === undefined && kubeConfig.getCurrentCluster()?.server === MADE_UP_SERVER)
    throw new Fault('Invalid', 'There is no kubeconfig: set KUBECONFIG or --kubeconfig, or run in a pod of the hub.');
  return kubeConfig;
}

const given = <K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } =>
  value === undefined ? {} : ({ [key]: value } as { [P in K]: V });

export const openSession: OpenSession = (io, options) => {
  const config = configOf(io, options);
  let connecting: Promise<TemporalClient> | undefined;
  let api: HubApi | undefined;
  const temporal = (): Promise<TemporalClient> => {
    connecting ??= connectTemporal(config).catch((error: unknown) => {
      connecting = undefined; // whoever waits tries again
      throw error;
    });
    return connecting;
  };
  const kube = (): HubApi => (api ??= createHubApi({ kubeConfig: kubeConfigOf(config) }));
  const { operatorNamespace, taskQueue, settleMs } = config;
  return {
    config,
    client: createKmodflowClient({ temporal, kube, operatorNamespace, taskQueue, settleMs }),
    temporal,
    async close() {
      const connected = await connecting?.catch(() => undefined);
      await Promise.allSettled([connected?.connection.close(), api?.close()]);
    },
  };
};
