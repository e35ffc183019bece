import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Where builds wait until a test lets them go on: a test acts in the middle of a build without guessing how long one takes. */
export interface Gate {
  /** Shell command of a busybox that waits until that gate is opened, and fails when it is cut. */
  readonly wait: (name: string) => string;
  /** How many have come to that gate since the start. */
  readonly arrivals: (name: string) => number;
  /** How many stand there now. */
  readonly waiting: (name: string) => number;
  /** Lets those that wait go on, and everybody who comes later. */
  readonly open: (name: string) => void;
  readonly stop: () => Promise<void>;
}

export async function startGate(): Promise<Gate> {
  const isOpen = new Set<string>();
  const arrived = new Map<string, number>();
  const standing = new Map<string, Set<ServerResponse>>();
  const at = (name: string): Set<ServerResponse> => {
    const known = standing.get(name) ?? new Set();
    standing.set(name, known);
    return known;
  };
  const server = createServer((request, response) => {
    const name = (request.url ?? '/').slice(1);
    arrived.set(name, (arrived.get(name) ?? 0) + 1);
    if (isOpen.has(name)) {
      response.end('open');
      return;
    }
    at(name).add(response);
    response.on('close', () => at(name).delete(response));
  });
  server.requestTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    wait: (name) => `wget -q -O /dev/null http://127.0.0.1:${port}/${name}`,
    arrivals: (name) => arrived.get(name) ?? 0,
    waiting: (name) => at(name).size,
    open(name) {
      isOpen.add(name);
      for (const response of at(name)) response.end('open');
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
