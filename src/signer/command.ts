import { parseArgs } from 'node:util';
import { count } from '../domain/wording.js';
import { SIGNATURE_HASHES } from '../kmod/sign.js';
import type { SignatureHash } from '../kmod/sign.js';
import { SigningFailure } from './failure.js';
import type { Stage } from './failure.js';
import { signImage } from './sign-image.js';
import { readSigningPair, wholeSubject, validityWarning } from './signing-pair.js';
import type { SigningPair } from './signing-pair.js';

/** What the tool does to the world around it, apart from the layout. */
export interface Surroundings {
  readonly print: (line: string) => void;
  readonly warn: (line: string) => void;
  /** Leaves the one message that the cluster keeps of this container. */
  readonly leaveMessage: (message: string) => void;
  readonly now: () => Date;
}

export const USAGE = `kmodflow-sign: signs the kernel modules of an image before it is pushed.

  kmodflow-sign check --key FILE --cert FILE
      Whether the private key (PEM or DER) belongs to the certificate (DER or PEM).
  kmodflow-sign sign --layout DIR --key FILE --cert FILE --file GLOB… [--hash sha256|sha384|sha512]
      Signs the files of the one image in an OCI image layout, in place. A GLOB is a shell pattern of absolute paths in the image.`;

/** @returns The exit code: 0, or 1 with one sentence on stderr and the same in the termination message. */
export async function run(args: readonly string[], surroundings: Surroundings): Promise<number> {
  try {
    await dispatch(args, surroundings);
    return 0;
  } catch (error) {
    if (!(error instanceof SigningFailure)) throw error;
    fail(error.stage, error.message, surroundings);
    return 1;
  }
}

/** Room for a person's sentences; the cluster keeps 4,096 bytes for all containers of a pod. */
const MAX_MESSAGE = 1000;

/** Says why it ends, in both places. */
export function fail(stage: Stage, message: string, { warn, leaveMessage }: Pick<Surroundings, 'warn' | 'leaveMessage'>): void {
  const short = message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE - 1)}…` : message;
  warn(message);
  leaveMessage(JSON.stringify({ stage, exitCode: 1, message: short }));
}

async function dispatch([command, ...rest]: readonly string[], surroundings: Surroundings): Promise<void> {
  switch (command) {
    case 'check':
      return check(rest, surroundings);
    case 'sign':
      return sign(rest, surroundings);
    case 'help':
    case '--help':
      return surroundings.print(USAGE);
    default:
      throw new SigningFailure('Check', `The command is check or sign, not ${command ?? 'nothing'}.\n${USAGE}`);
  }
}

const PAIR_OPTIONS = { key: { type: 'string' }, cert: { type: 'string' } } as const;

async function check(args: readonly string[], surroundings: Surroundings): Promise<void> {
  const values = parse('Check', () => parseArgs({ args: [...args], options: PAIR_OPTIONS }).values);
  const pair = await readPair('Check', values, surroundings);
  surroundings.print(`The key belongs to the certificate (${wholeSubject(pair.certificate)}).`);
}

async function sign(args: readonly string[], surroundings: Surroundings): Promise<void> {
  const options = {
    ...PAIR_OPTIONS,
    layout: { type: 'string' },
    file: { type: 'string', multiple: true },
    hash: { type: 'string' },
  } as const;
  const values = parse('Sign', () => parseArgs({ args: [...args], options }).values);
  const layout = required('Sign', '--layout', values.layout);
  const hash = readHash(values.hash ?? 'sha256');
  if (values.file === undefined) throw usage('Sign', '--file is missing: it names what is signed');
  const pair = await readPair('Sign', values, surroundings);
  const onSigned = (path: string, bytes: { readonly before: number; readonly after: number }): void =>
    surroundings.print(`Signed ${path} (${bytes.before} → ${bytes.after} bytes, ${hash}) by ${wholeSubject(pair.certificate)}`);
  const { digest, signed, rewrittenLayers } = await signImage({ layout, files: values.file, pair, hash, onSigned });
  surroundings.print(`${count(signed, 'file')} signed, ${count(rewrittenLayers, 'layer')} written anew: the image is ${digest} now.`);
}

async function readPair(
  stage: Stage,
  values: { readonly key?: string; readonly cert?: string },
  surroundings: Surroundings,
): Promise<SigningPair> {
  const pair = await readSigningPair(required(stage, '--key', values.key), required(stage, '--cert', values.cert));
  const warning = validityWarning(pair.certificate, surroundings.now());
  if (warning !== undefined) surroundings.warn(warning);
  return pair;
}

const usage = (stage: Stage, message: string): SigningFailure => new SigningFailure(stage, `${message}.\n${USAGE}`);

function parse<Values>(stage: Stage, read: () => Values): Values {
  try {
    return read();
  } catch (error) {
    throw usage(stage, error instanceof Error ? error.message.replace(/\.$/, '') : 'The arguments cannot be read');
  }
}

function required(stage: Stage, name: string, value: string | undefined): string {
  if (value === undefined || value === '') throw usage(stage, `${name} is missing`);
  return value;
}

function readHash(value: string): SignatureHash {
  const hash = SIGNATURE_HASHES.find((known) => known === value);
  if (hash === undefined) throw usage('Sign', `--hash must be one of ${SIGNATURE_HASHES.join(', ')}, but is ${JSON.stringify(value)}`);
  return hash;
}
