import type { ImageJobConfig } from './image-job.js';

/** What the operator's configuration says of build Jobs. */
export interface ImageJobSettings extends ImageJobConfig {
  /** How long a Job that did its work stays, seconds. */
  readonly gcDelaySeconds: number;
  /** Build Jobs on the hub at once. */
  readonly maxBuilds: number;
}
