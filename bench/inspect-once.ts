import { createHash } from 'node:crypto';
import { Agent, request } from 'undici';
import { createRegistryClient } from '../src/registry/index.js';

/** What one run is about: the only argument of this program, as JSON. */
export interface InspectOnce {
  readonly mode: 'inspect' | 'download';
  readonly host: string;
  readonly repository: string;
  readonly tag: string;
  readonly kernel: string;
  readonly blobs: readonly { readonly digest: string; readonly size: number }[];
}

/** What it prints, as JSON. */
export interface OnceFigures {
  readonly seconds: number;
  readonly peakRssGrowthMiB: number;
  readonly accepted: number;
  readonly modules: number;
}

type Outcome = Pick<OnceFigures, 'accepted' | 'modules'>;

const MIB = 1_048_576;

async function inspect({ host, repository, tag, kernel }: InspectOnce): Promise<Outcome> {
  const client = createRegistryClient();
  const tls = { insecure: true };
  const read = await client.read(`${host}/${repository}:${tag}`, { tls });
  const { accepted, modules } = await client.inspect(
    read,
    { kernels: [kernel], expect: { dirName: '/opt', moduleName: 'bench' } },
    { tls },
  );
  await client.close();
  return { accepted: accepted.length, modules: modules.length };
}

/** The least that an inspection can cost: the same bytes over one connection, and their digests. */
async function download({ host, repository, blobs }: InspectOnce): Promise<Outcome> {
  const dispatcher = new Agent({ connections: 1 });
  for (const { digest } of blobs) {
    const { body } = await request(`http://${host}/v2/${repository}/blobs/${digest}`, { dispatcher });
    const hash = createHash('sha256');
    for await (const chunk of body as AsyncIterable<Buffer>) hash.update(chunk);
    if (`sha256:${hash.digest('hex')}` !== digest) throw new Error(`The registry sent something else than ${digest}.`);
  }
  await dispatcher.close();
  return { accepted: 0, modules: 0 };
}

const input = JSON.parse(process.argv[2] ?? '{}') as InspectOnce;
const rssBefore = process.memoryUsage.rss();
const began = performance.now();
const outcome = await (input.mode === 'inspect' ? inspect(input) : download(input));
const seconds = (performance.now() - began) / 1000;
// maxRSS is the highest there ever was, in KiB.
const peakRssGrowthMiB = (process.resourceUsage().maxRSS * 1024 - rssBefore) / MIB;
const figures: OnceFigures = { seconds, peakRssGrowthMiB, ...outcome };
console.log(JSON.stringify(figures));
