import { writeFileSync } from 'node:fs';

export interface KubeconfigAccess {
  readonly url: string;
  readonly token: string;
  /** PEM text; left out for a plain HTTP address. */
  readonly ca?: string;
}

/** Writes a kubeconfig with one cluster, one user and one context; JSON is YAML too. Returns the path. */
export function writeKubeconfig(path: string, { url, token, ca }: KubeconfigAccess): string {
  const name = 'kmodflow-test';
  const trust =
    ca === undefined ? { 'insecure-skip-tls-verify': true } : { 'certificate-authority-data': Buffer.from(ca).toString('base64') };
  const cluster = { server: url, ...trust };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  };
  writeFileSync(path, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
  return path;
}
