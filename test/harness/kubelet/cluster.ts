import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isFault } from '../../../src/domain/fault.js';
import type { HubApi, ResourceType } from '../../../src/kube/index.js';
import { rest } from '../rest.js';
import { apiTime, asPod, CONFIG_MAPS, EVENTS, PODS, SECRETS, type Pod } from './pod.js';
import type { KubeletControl } from './types.js';

export interface EventText {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

/** Keys to bytes. */
export type DataMap = ReadonlyMap<string, Buffer>;

const decoded = (map: unknown, encoding: 'utf8' | 'base64'): [string, Buffer][] =>
  Object.entries((map ?? {}) as Record<string, string>).map(([key, value]) => [key, Buffer.from(value, encoding)]);

/** The node agent's requests to the API server. */
export class Cluster {
  readonly api: HubApi;
  readonly #control: KubeletControl;
  readonly #nodeName: string;

  constructor(control: KubeletControl, nodeName: string) {
    this.#control = control;
    this.#nodeName = nodeName;
    this.api = control.connect({ fieldManager: 'process-kubelet' });
  }

  /** The API server's own certificate with its authority, PEM. */
  get certificate(): string {
    return readFileSync(this.#control.caFile, 'utf8');
  }

  /** Undefined when there is none of this name. */
  secret(namespace: string, name: string): Promise<DataMap | undefined> {
    return this.#data(SECRETS, namespace, name, (object) => decoded(object['data'], 'base64'));
  }

  /** Undefined when there is none of this name. */
  configMap(namespace: string, name: string): Promise<DataMap | undefined> {
    return this.#data(CONFIG_MAPS, namespace, name, (object) => [
      ...decoded(object['data'], 'utf8'),
      ...decoded(object['binaryData'], 'base64'),
    ]);
  }

  async #data(
    resource: ResourceType,
    namespace: string,
    name: string,
    read: (object: Record<string, unknown>) => [string, Buffer][],
  ): Promise<DataMap | undefined> {
    try {
      return new Map(read(await this.api.get(resource, name, namespace)));
    } catch (error) {
      if (isFault(error, 'Missing')) return undefined;
      throw error;
    }
  }

  /** @throws Fault `Missing` when the pod is gone, `Conflict` when another one has its name now. */
  async patchStatus(pod: Pod, status: object): Promise<Pod> {
    const { name, namespace, uid } = pod.metadata;
    return asPod(await this.api.mergePatch(PODS, name, namespace, { metadata: { uid }, status }, { subresource: 'status' }));
  }

  async bind({ metadata: { name, namespace, uid } }: Pod): Promise<void> {
    const target = { apiVersion: 'v1', kind: 'Node', name: this.#nodeName };
    const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name, uid }, target };
    await this.#rest('POST', `/api/v1/namespaces/${namespace}/pods/${name}/binding`, binding, [404, 409]);
  }

  /** The last step of a deletion: the object goes, unless finalizers hold it. */
  async removePod({ metadata: { name, namespace } }: Pod): Promise<void> {
    await this.#rest('DELETE', `/api/v1/namespaces/${namespace}/pods/${name}?gracePeriodSeconds=0`, undefined, [404, 409]);
  }

  async serviceAccountToken(pod: Pod, request: { readonly audience?: string; readonly expirationSeconds?: number }): Promise<string> {
    const { name, namespace, uid } = pod.metadata;
    const account = pod.spec.serviceAccountName ?? 'default';
    const spec = {
      audiences: request.audience === undefined ? [] : [request.audience],
      expirationSeconds: request.expirationSeconds ?? 3600,
      boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
    };
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
    const answer = await this.#rest('POST', `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`, body);
    return (JSON.parse(answer) as { status: { token: string } }).status.token;
  }

  /** Nobody waits for an event, and one that cannot be written is lost. */
  event({ metadata: { name, namespace, uid } }: Pod, { type, reason, message }: EventText): void {
    const now = apiTime(new Date());
    const event = {
      metadata: { name: `${name}.${randomBytes(8).toString('hex')}`, namespace },
      involvedObject: { apiVersion: 'v1', kind: 'Pod', name, namespace, uid },
      type,
      reason,
      message: message.slice(0, 1024),
      count: 1,
      firstTimestamp: now,
      lastTimestamp: now,
      source: { component: 'kubelet', host: this.#nodeName },
      reportingComponent: 'kubelet',
      reportingInstance: this.#nodeName,
    };
    this.api.create(EVENTS, event).catch(() => undefined);
  }

  /** @param harmless statuses that are as good as success: somebody else was faster. */
  async #rest(method: string, path: string, body: object | undefined, harmless: readonly number[] = []): Promise<string> {
    const { url, token } = this.#control;
    const answer = await rest({ url, token, ca: this.certificate }, method, path, body);
    if (answer.status >= 300 && !harmless.includes(answer.status))
      throw new Error(`${method} ${path} answered ${answer.status}: ${answer.body}`);
    return answer.body;
  }
}
