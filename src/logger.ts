import { pino, type DestinationStream, type Logger } from 'pino';

export type { Logger };

/** Values under these keys never reach a log, wherever they stand. */
const SECRETS = ['password', 'token', 'auth', 'authorization', 'identitytoken', 'data', 'stringData', 'headers.authorization'];

/** JSON lines, one per decision. `destination` is for tests and for pretty output on a terminal. */
export const createLogger = (level: string, destination?: DestinationStream): Logger =>
  pino(
    { level, base: undefined, redact: { paths: SECRETS.flatMap((key) => [key, `*.${key}`]), censor: '[redacted]' } },
    destination ?? pino.destination(1),
  );
