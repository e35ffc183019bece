import { OPERATOR_NAMESPACE, type Stack } from '../../test/harness/stack.js';
import { SETTLE } from './texts.js';

/** What the command line needs to find this demo. */
export interface Access {
  readonly kubeconfigPath: string;
  readonly temporalAddress: string;
  readonly operatorNamespace: string;
  /** Go-like duration. The commands judge by the same settle time as the hub. */
  readonly settle: string;
}

export const accessTo = ({ control, temporal }: Stack): Access => ({
  kubeconfigPath: control.kubeconfigPath,
  temporalAddress: temporal.address,
  operatorNamespace: OPERATOR_NAMESPACE,
  settle: SETTLE,
});

export const accessVariables = ({ kubeconfigPath, temporalAddress, operatorNamespace, settle }: Access): Record<string, string> => ({
  KUBECONFIG: kubeconfigPath,
  TEMPORAL_ADDRESS: temporalAddress,
  TEMPORAL_NAMESPACE: 'default',
  OPERATOR_NAMESPACE: operatorNamespace,
  KMODFLOW_SETTLE: settle,
});
