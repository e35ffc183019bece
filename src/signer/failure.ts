import { isRecord } from './bytes.js';

/** Where the tool stopped: `Check` is about the key and the certificate, `Sign` about the image. */
export type Stage = 'Check' | 'Sign';

/** Thrown when a person must act. The message is all that anybody sees: sentences that name what was wrong, and never a byte of the key. */
export class SigningFailure extends Error {
  override readonly name = 'SigningFailure';
  readonly stage: Stage;

  constructor(stage: Stage, message: string) {
    super(message);
    this.stage = stage;
  }
}

/** Thrown when a file has the name of a module and nothing in it that a kernel could load. */
export class NotAModule extends SigningFailure {}

/** The system's short name of what went wrong, such as `ENOENT`; undefined for an error that is not the system's. */
export function systemCode(error: unknown): string | undefined {
  // Not by `instanceof`: the error may come from another realm, as everything of Node does in tests.
  const code = isRecord(error) ? error['code'] : undefined;
  // Node's own codes (`ERR_…`) tell of bugs.
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/** What went wrong with reading a file, as a clause about it. */
export function fileDefect(error: unknown): string {
  const code = systemCode(error) ?? 'unknown error';
  return FILE_DEFECTS[code] ?? `cannot be read (${code})`;
}

const FILE_DEFECTS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'may not be read by this user',
  EPERM: 'may not be read by this user',
  EISDIR: 'is a directory',
};
