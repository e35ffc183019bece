export { buildQueue } from './build-queue.js';
export { kmodImage } from './kmod-image.js';
export { managedClusterModule } from './managed-cluster-module.js';
export { rollout } from './rollout.js';
export { wave } from './wave.js';
