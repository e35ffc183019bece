import { KubeFault } from './faults.js';
import { apiVersionOf } from './resources.js';
import type { KubernetesObject, ListPage, ResourceType } from './types.js';

interface ListBody {
  readonly items?: KubernetesObject[] | null;
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

/** Times that a list begins again because its snapshot was compacted away while we were reading it. */
const RESTARTS = 1;

/**
 * Reads a list page by page from one consistent snapshot.
 * @param fetchPage Fetches one page; `token` is undefined for the first.
 * @throws KubeFault `Unavailable` when the snapshot expires a second time: pages are then read too slowly.
 */
export async function* listPages(
  resource: ResourceType,
  fetchPage: (token: string | undefined) => Promise<ListBody>,
): AsyncGenerator<ListPage> {
  let token: string | undefined;
  let restarts = 0;
  let restarted = false;
  for (;;) {
    let body: ListBody;
    try {
      body = await fetchPage(token);
    } catch (error) {
      if (token === undefined || !(error instanceof KubeFault) || !error.expired) throw error;
      if (restarts === RESTARTS) throw expiredTwice(error);
      restarts += 1;
      restarted = true;
      token = undefined;
      continue;
    }
    yield { ...pageOf(resource, body), restarted };
    restarted = false;
    token = body.metadata?.continue || undefined;
    if (token === undefined) return;
  }
}

const expiredTwice = ({ message, code, status }: KubeFault): KubeFault =>
  new KubeFault('Unavailable', `${message} (the list expired twice while it was read)`, { code, status });

function pageOf(resource: ResourceType, { items, metadata }: ListBody): Omit<ListPage, 'restarted'> {
  for (const item of items ?? []) {
    // Items of built-in kinds come without them.
    item.apiVersion ??= apiVersionOf(resource);
    item.kind ??= resource.kind;
  }
  return { items: items ?? [], resourceVersion: metadata?.resourceVersion ?? '' };
}
