import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { entryPath, ImageTree, pathOf, type TreeNode } from '../../../src/registry/image-tree.js';

const file = (name: string) => ({ kind: 'file', report: { sizeBytes: name.length } }) as const;
const link = (target: string) => ({ kind: 'link', target }) as const;
const parts = (path: string): string[] => path.split('/').filter(Boolean);

function filesOf(tree: ImageTree): string[] {
  const walk = (node: TreeNode): string[] => [
    ...(node.entry?.kind === 'file' ? [`${pathOf(node)} ${node.layer}`] : []),
    ...[...node.children.values()].flatMap(walk),
  ];
  return walk(tree.root).sort();
}

describe('layers on top of each other', () => {
  type Step = { readonly op: 'file' | 'other' | 'directory' | 'whiteout' | 'opaque'; readonly path: string };
  const name = fc.constantFrom('a', 'b', 'c');
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => `/${names.join('/')}`);
  const step = fc.record({ op: fc.constantFrom<Step['op']>('file', 'other', 'directory', 'whiteout', 'opaque'), path });
  const layers = fc.array(fc.array(step, { maxLength: 8 }), { maxLength: 5 });

  /** The same with nothing but a map from path to layer. Folders are left out, as they are nothing to be found. */
  function naive(all: readonly (readonly Step[])[]): string[] {
    const files = new Map<string, number>();
    const drop = (which: (path: string, layer: number) => boolean): void => {
      for (const [at, layer] of files) if (which(at, layer)) files.delete(at);
    };
    const isBelow = (at: string, folder: string): boolean => at.startsWith(`${folder}/`);
    for (const [index, steps] of all.entries()) {
      const layer = index + 1;
      for (const { op, path: at } of steps) {
        if (op === 'whiteout') drop((other, of) => of < layer && (other === at || isBelow(other, at)));
        if (op === 'opaque') drop((other, of) => of < layer && isBelow(other, at));
        if (op === 'directory') drop((other) => other === at);
        if (op === 'file' || op === 'other') drop((other) => other === at || isBelow(other, at));
        if (op !== 'whiteout' && op !== 'opaque') drop((other) => isBelow(at, other)); // a file becomes a folder
        if (op === 'file') files.set(at, layer);
      }
    }
    return [...files].map(([at, layer]) => `${at} ${layer}`).sort();
  }

  test('give the files that a map of all paths gives', () => {
    fc.assert(
      fc.property(layers, (all) => {
        const tree = new ImageTree();
        for (const [index, steps] of all.entries()) {
          for (const { op, path: at } of steps) {
            if (op === 'file') tree.put(parts(at), index + 1, file(at));
            else if (op === 'other') tree.put(parts(at), index + 1, undefined);
            else if (op === 'directory') tree.directory(parts(at), index + 1, at.length % 4 === 0);
            else tree[op](parts(at), index + 1);
          }
        }
        expect(filesOf(tree)).toEqual(naive(all));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('paths through symbolic links', () => {
  const tree = new ImageTree();
  const entries = {
    '/usr/lib/modules/k/one.ko': file('one'),
    '/lib': link('usr/lib'),
    '/opt/lib': link('/lib'),
    '/opt/up': link('../opt/../../usr'),
    '/usr/lib/modules/k/two.ko': link('one.ko'),
    '/ring': link('ring'),
    '/ping': link('pong/x'),
    '/pong': link('ping'),
    '/away': link('/nowhere/at/all'),
    '/long': link('x/'.repeat(5_000)),
  };
  for (const [path, entry] of Object.entries(entries)) tree.put(parts(path), 1, entry);

  test.each([
    ['/lib/modules/k/one.ko', '/usr/lib/modules/k/one.ko'],
    ['/opt/lib/modules/k/two.ko', '/usr/lib/modules/k/one.ko'],
    ['/opt/up/lib/modules', '/usr/lib/modules'],
    ['/opt/lib/../lib/modules', '/usr/lib/modules'],
    ['/../../lib', '/usr/lib'],
    ['/ring', undefined],
    ['/ping', undefined],
    ['/away', undefined],
    ['/long', undefined],
    ['/usr/lib/modules/k/one.ko/below', undefined],
  ])('%s leads to %s', (path, target) => {
    const node = tree.resolve(path.split('/'));
    expect(node && pathOf(node)).toBe(target);
  });
});

describe('an entry whose path goes through a link', () => {
  const through = (layer: number): string[] => {
    const tree = new ImageTree();
    tree.put(['usr', 'lib', 'old.ko'], 1, file('old'));
    tree.put(['lib'], 1, link('usr/lib'));
    tree.put(['opt'], 1, link('/lib/../share/'));
    tree.put(['lib', 'new.ko'], layer, file('new'));
    tree.put(['opt', 'x', 'new.ko'], layer, file('new'));
    return [...filesOf(tree), tree.resolve(['lib', 'old.ko']) === undefined ? 'no link' : 'link'];
  };

  test('of its own layer lands where that leads', () => {
    expect(through(1)).toEqual(['/share/x/new.ko 1', '/usr/lib/new.ko 1', '/usr/lib/old.ko 1', 'link']);
  });

  test('of a lower layer makes a folder of it', () => {
    expect(through(2)).toEqual(['/lib/new.ko 2', '/opt/x/new.ko 2', '/usr/lib/old.ko 1', 'no link']);
  });

  test('that leads round and round ends somewhere', () => {
    const tree = new ImageTree();
    tree.put(['ring'], 1, link('ring/ring'));
    tree.put(['ring', 'new.ko'], 1, file('new'));
    expect(filesOf(tree)).toHaveLength(1);
    tree.put(['long'], 1, link('long/long/'.repeat(200)));
    expect(() => tree.put(['long', 'new.ko'], 1, file('new'))).toThrow(
      'has a layer with 401 folders inside each other, where 256 are read',
    );
  });
});

test('a tree does not grow without end', () => {
  const tree = new ImageTree();
  expect(() => {
    for (let number = 0; number < 300_000; number += 1) tree.put([`${number}`], 1, link('x'));
  }).toThrow('has more than 200000 module files and symbolic links');
});

test('entryPath takes apart what an archive names, and refuses what no runtime unpacks', () => {
  expect(['./a//b/', '/a/./b', 'a/c/../b'].map(entryPath)).toEqual([
    ['a', 'b'],
    ['a', 'b'],
    ['a', 'b'],
  ]);
  expect(() => entryPath('a/../../b')).toThrow('has a layer whose entry "a/../../b" leads out of the image');
  expect(() => entryPath('a/'.repeat(2_100))).toThrow('has a layer with a path of 4200 characters, where 4096 are possible');
  expect(() => entryPath('a/'.repeat(300))).toThrow('has a layer with 300 folders inside each other, where 256 are read');
});
