import { describe, expect, test } from '@jest/globals';
import { createOutput, type OutputOptions } from '../../../src/cli/output.js';
import { facts, page, table } from '../../../src/cli/table.js';
import { fakeIo } from './fake-io.js';

const output = (change: Partial<OutputOptions> = {}) => {
  const io = fakeIo();
  return { io, made: createOutput({ format: 'table', stdout: io.stdout, color: true, env: {}, nowMs: 0, ...change }) };
};
const plain = (width?: number) => ({ width, paint: (_style: string, text: string): string => text });

describe('a table', () => {
  test('has columns as wide as their cells, two spaces between, and nothing at the end of lines', () => {
    const text = table(
      plain(),
      ['NAME', 'STATE', 'MESSAGE'],
      [
        ['spoke-1', 'Loaded', ''],
        ['spoke-22', 'Failed', 'It did not load.'],
      ],
    );
    expect(text).toBe(['NAME      STATE   MESSAGE', 'spoke-1   Loaded', 'spoke-22  Failed  It did not load.'].join('\n'));
  });

  test('wraps its last column at the edge of the terminal', () => {
    const text = table(plain(40), ['NAME', 'MESSAGE'], [['spoke-1', 'Cluster spoke-1 does not report its kernels to the hub.']]);
    expect(text).toBe(['NAME     MESSAGE', 'spoke-1  Cluster spoke-1 does not report', '         its kernels to the hub.'].join('\n'));
  });

  test('rather runs over the edge than to squeeze the last column', () => {
    const row = ['a-name-of-thirty-characters-abc', 'a message of some words'];
    expect(table(plain(40), ['NAME', 'MESSAGE'], [row]).split('\n')[1]).toBe(row.join('  '));
  });

  test('measures painted cells by what is seen', () => {
    const { made } = output({ stdout: { write: () => true, isTTY: true, columns: 80 } });
    const rows = [
      [made.paint('green', 'ok'), 'x'],
      ['failed', 'y'],
    ];
    const text = table(made, ['S', 'T'], rows);
    expect(text.split('\n')[1]).toBe('\u001b[32mok\u001b[39m      x');
  });

  test('of thousands of rows keeps every row in order', () => {
    const rows = Array.from({ length: 350 }, (_, i) => [`spoke-${i}`]);
    expect(table(plain(), ['NAME'], rows).split('\n')).toEqual(['NAME', ...rows.map(([name]) => name)]);
  });
});

test('facts leave out what is not known', () => {
  const lines = facts(plain(), [
    ['Module', 'kmod'],
    ['Trouble', undefined],
    ['Paused', ''],
    ['Phase', 'Ready'],
  ]);
  expect(lines).toBe('Module  kmod\nPhase   Ready');
});

test('a page has an empty line between its parts', () => {
  expect(page('a', '', 'b')).toBe('a\n\nb');
});

describe('output', () => {
  const data = { name: 'kmod', clusters: 3 };

  test('is data for programs, and a table for people', () => {
    const shown = (format: OutputOptions['format']) => {
      const { io, made } = output({ format });
      const own = createOutput({ format, stdout: io.stdout, color: true, env: {}, nowMs: 0 });
      own.show(data, () => 'a table');
      return [io.out(), made.format];
    };
    expect(shown('json')).toEqual(['{\n  "name": "kmod",\n  "clusters": 3\n}\n', 'json']);
    expect(shown('yaml')).toEqual(['name: kmod\nclusters: 3\n', 'yaml']);
    expect(shown('table')).toEqual(['a table\n', 'table']);
  });

  const terminal = { write: () => true, isTTY: true, columns: 80 };

  test('is painted on a terminal alone, and not where somebody said no', () => {
    const painted = (change: Partial<OutputOptions>) => output(change).made.paint('red', 'x') !== 'x';
    expect(painted({ stdout: terminal })).toBe(true);
    expect(painted({})).toBe(false);
    expect(painted({ stdout: terminal, color: false })).toBe(false);
    expect(painted({ stdout: terminal, env: { NO_COLOR: '1' } })).toBe(false);
  });

  test('is as wide as the terminal, or as COLUMNS says, and else not cut', () => {
    expect(output({ stdout: terminal }).made.width).toBe(80);
    expect(output({ stdout: { write: () => true, isTTY: true } }).made.width).toBe(100);
    expect(output({ env: { COLUMNS: '120' } }).made.width).toBe(120);
    expect(output({ env: { COLUMNS: 'wide' } }).made.width).toBeUndefined();
  });
});
