export { createRegistryClient } from './client.js';
export { credentialsFromSecret, type PullSecret, type RegistryCredentials } from './credentials.js';
export type { Login } from './login.js';
export type {
  Inspection,
  InspectionAsk,
  InspectOptions,
  ReadImage,
  RegistryClient,
  RegistryClientOptions,
  RegistryLogger,
  RegistryTls,
  RequestCounts,
  ResolvedImage,
  ResolveOptions,
} from './types.js';
