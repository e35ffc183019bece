import { KubeConfig } from '@kubernetes/client-node';
import { Fault } from '../domain/fault.js';

export interface LoadKubeConfigOptions {
  /** A kubeconfig file. Without it: KUBECONFIG, ~/.kube/config, then the pod's service account. */
  readonly path?: string | undefined;
  /** A context of that file. Without it: its current context. */
  readonly context?: string | undefined;
}

/**
 * Finds out how to reach the hub.
 * @throws Fault `Invalid`: no such file or context, or no server in it. Nothing is contacted.
 */
export function loadKubeConfig({ path, context }: LoadKubeConfigOptions = {}): KubeConfig {
  const kubeConfig = new KubeConfig();
  try {
    if (path === undefined) kubeConfig.loadFromDefault();
    else kubeConfig.loadFromFile(path);
  } catch (error) {
    // The parser's message quotes the file, which holds credentials: only a system error's code may be passed on.
    const code = (error as NodeJS.ErrnoException).code;
    throw new Fault(
      'Invalid',
      `Cannot read the kubeconfig ${path ?? process.env['KUBECONFIG'] ?? ''}: ${code ?? 'it is not a valid kubeconfig file'}.`,
    );
  }
  if (context !== undefined) {
    const names = kubeConfig.getContexts().map(({ name }) => name);
    if (!names.includes(context)) {
      throw new Fault('Invalid', `The kubeconfig has no context "${context}"; it has: ${names.join(', ') || 'none'}.`);
    }
    kubeConfig.setCurrentContext(context);
  }
  if (!kubeConfig.getCurrentCluster()?.server) {
    throw new Fault('Invalid', 'The kubeconfig names no server: set a current-context, or choose one of its contexts.');
  }
  return kubeConfig;
}
