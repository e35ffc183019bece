import type { ControlPlane } from '../control-plane.js';
import type { Taint } from './pod.js';

/** What of a control plane the node agent uses: a test may put a proxy in its place. */
export type KubeletControl = Pick<ControlPlane, 'url' | 'token' | 'caFile' | 'keyFile' | 'connect'>;

export interface ImageBind {
  /** File or folder of this machine; symbolic links are followed. */
  readonly source: string;
  /** Absolute path in the container. A path below a read-only folder (`/usr/local/bin/x`) works too. */
  readonly target: string;
  /** Default false. */
  readonly readOnly?: boolean;
}

/** How an image is run: this machine's programs, with something on top. */
export interface ContainerImage {
  /** Used when the container has no `command`. */
  readonly entrypoint?: readonly string[];
  readonly binds?: readonly ImageBind[];
  /** The container's own variables come over these. */
  readonly env?: Readonly<Record<string, string>>;
  /** The registry does not have it: ErrImagePull, ImagePullBackOff. So is every image that is not named at all. */
  readonly missing?: boolean;
}

export interface KubeletOptions {
  /** Default `node-1`. */
  readonly nodeName?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly Taint[];
  /** Image reference, exactly as pods name it, to how it is run. */
  readonly images: Readonly<Record<string, ContainerImage>>;
  /** Pods at a time, default 110. */
  readonly maxPods?: number;
}

/** One start of one container. The last three are there when it has ended. */
export interface ContainerRun {
  readonly namespace: string;
  readonly pod: string;
  readonly uid: string;
  readonly container: string;
  readonly init: boolean;
  readonly startedAt: Date;
  readonly finishedAt?: Date;
  /** 128 and the signal's number when a signal ended it. */
  readonly exitCode?: number;
  /** Completed, Error, OOMKilled or StartError. */
  readonly reason?: string;
}

export interface LoseOptions {
  /** After this time the pods of the node are deleted, as the taint eviction controller does after 300 s. They stay Terminating. Default: never. */
  readonly deletePodsAfterMs?: number;
}

/** Pods are named `name`, or `namespace/name` where two have the same. */
export interface Kubelet {
  readonly nodeName: string;
  /** In the order of their starts. */
  readonly runs: () => ContainerRun[];
  /** As when the node is short of a resource: the pod ends with the reason Evicted. @param message default: low on ephemeral storage. */
  readonly evict: (pod: string, message?: string) => Promise<void>;
  /** The container ends as one that used too much memory. @throws Error when it does not run. */
  readonly oomKill: (pod: string, container: string) => Promise<void>;
  /** The node's power goes: processes end, no status is written any more, logs cannot be read, and the Node is Ready=Unknown and unreachable. */
  readonly lose: (options?: LoseOptions) => Promise<void>;
  readonly addImage: (reference: string, image: ContainerImage) => void;
  /** From now on it cannot be pulled. */
  readonly removeImage: (reference: string) => void;
  /** The node is switched off: processes end, folders go. Node and pods stay in the API as they are. A second call is harmless. */
  readonly stop: () => Promise<void>;
}
