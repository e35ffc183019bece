import { closeSync, existsSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';

/** A file of this size is put aside, and the one that was put aside before is dropped: 16 MiB. */
const ROTATE_BYTES = 16 * 2 ** 20;
/** A line that is longer is cut into several. */
const LONGEST_LINE = 16 * 2 ** 10;

export interface LogQuery {
  readonly tailLines?: number | undefined;
  readonly limitBytes?: number | undefined;
  /** Lines from this time on. */
  readonly since?: Date | undefined;
  readonly timestamps?: boolean | undefined;
}

/** The output of a container on disk: each line after the time at which it came. Written synchronously, so that a fast writer waits for the disk. */
export class ContainerLog {
  readonly #file: string;
  #descriptor: number;
  #bytes = 0;
  #lines = 0;
  #closed = false;
  readonly #rest = new Map<string, { decoder: StringDecoder; text: string }>();

  constructor(file: string) {
    this.#file = file;
    this.#descriptor = openSync(file, 'w', 0o600);
  }

  /** Lines so far; grows until the log is closed. */
  get lines(): number {
    return this.#lines;
  }

  get closed(): boolean {
    return this.#closed;
  }

  write(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    const part = this.#rest.get(stream) ?? { decoder: new StringDecoder('utf8'), text: '' };
    this.#rest.set(stream, part);
    const pieces = (part.text + part.decoder.write(chunk)).split('\n');
    part.text = pieces.pop() ?? '';
    pieces.forEach((line) => this.#append(line, 'F'));
    for (; part.text.length > LONGEST_LINE; part.text = part.text.slice(LONGEST_LINE)) this.#append(part.text.slice(0, LONGEST_LINE), 'P');
  }

  /** The container has ended: what stands without a line break counts as a line. A second call is harmless. */
  close(): void {
    if (this.#closed) return;
    for (const { text } of this.#rest.values()) if (text !== '') this.#append(text, 'P');
    this.#closed = true;
    closeSync(this.#descriptor);
  }

  /** What the query asks for, as text. */
  read(query: LogQuery): string {
    const all = [`${this.#file}.1`, this.#file].flatMap((file) =>
      existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [],
    );
    return select(all, query);
  }

  #append(line: string, kind: 'F' | 'P'): void {
    const record = Buffer.from(`${new Date().toISOString()} ${kind} ${line}\n`);
    if (this.#bytes > 0 && this.#bytes + record.length > ROTATE_BYTES) {
      closeSync(this.#descriptor);
      renameSync(this.#file, `${this.#file}.1`);
      this.#descriptor = openSync(this.#file, 'w', 0o600);
      this.#bytes = 0;
    }
    writeSync(this.#descriptor, record);
    this.#bytes += record.length;
    this.#lines += 1;
  }
}

/**
 * Picks from records of a time (RFC 3339), `F` for a full line or `P` for one without its line break, and the line.
 * Bytes are limited at the end and may cut a line in two, as the real agent does.
 */
export function select(records: readonly string[], { tailLines, limitBytes, since, timestamps }: LogQuery): string {
  const lines = records.map((record) => {
    const end = record.indexOf(' ');
    return { time: record.slice(0, end), lineBreak: record[end + 1] === 'F' ? '\n' : '', line: record.slice(end + 3) };
  });
  const recent = since === undefined ? lines : lines.filter(({ time }) => new Date(time) >= since);
  const last = tailLines === undefined ? recent : recent.slice(Math.max(0, recent.length - tailLines));
  const text = last.map(({ time, lineBreak, line }) => `${timestamps === true ? `${time} ` : ''}${line}${lineBreak}`).join('');
  return limitBytes === undefined ? text : Buffer.from(text).subarray(0, limitBytes).toString('utf8');
}
