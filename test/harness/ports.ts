import { createServer, type AddressInfo } from 'node:net';

/** Distinct free TCP ports of the loopback interface. They are held open together, so that one call never returns a port twice. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

const PORT_ATTEMPTS = 4;

/**
 * Runs `start` with free ports, and again with others when somebody took one of them in between.
 * A program that cannot listen on port 0 leaves this window, and with several test files at once it is met now and then.
 */
export async function withFreePorts<T>(count: number, start: (...ports: number[]) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(...(await freePorts(count)));
    } catch (error) {
      if (attempt === PORT_ATTEMPTS || !(error instanceof Error) || !/address already in use/i.test(error.message)) throw error;
    }
  }
}
