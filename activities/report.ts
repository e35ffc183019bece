import { parseManagedClusterModule, type ManagedClusterModuleStatus } from '../src/api/index.js';
import { canonicalJson } from '../src/domain/canonical-json.js';
import { isFault } from '../src/domain/fault.js';
import { eventsBetween } from '../src/domain/mcm-events.js';
import { buildStatus } from '../src/domain/mcm-status.js';
import type { Report } from '../src/domain/process.js';
import { apiVersionOf, resources, type KubernetesObject } from '../src/kube/index.js';
import type { Deps } from './deps.js';
