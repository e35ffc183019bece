export { managedClusterModule } from './managed-cluster-module.js';
export { rollout } from './rollout.js';
export { wave } from './wave.js';
