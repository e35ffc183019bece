import { describe, expect, test } from '@jest/globals';
import { ImageFiles } from '../../../src/signer/image-files.js';
import type { LayerEntry } from '../../../src/signer/layer-entries.js';
import { matchFiles } from '../../../src/signer/match-files.js';

type Line = string | readonly [kind: LayerEntry['kind'], name: string, target?: string];

/** A text is a regular file. */
function files(...layers: readonly (readonly Line[])[]): ImageFiles {
  const image = new ImageFiles();
  for (const [layer, lines] of layers.entries()) {
    for (const [index, line] of lines.entries()) {
      const [kind, name, target = ''] = typeof line === 'string' ? (['file', line] as const) : line;
      image.add(layer, { kind, name, target, at: 512 * (index + 1), size: 1 });
    }
  }
  return image;
}

/** Each visible path with the layer that its content is in. */
const visible = (image: ImageFiles): string[] => [...image.visibleFiles()].map(({ path, file }) => `${path} ${file.layer}`).sort();

describe('the files that a container sees', () => {
  test.each<[string, readonly (readonly Line[])[], string[]]>([
    ['an upper file hides a lower one', [['a'], ['a']], ['/a 1']],
    ['a whiteout takes a file away', [['x/a', 'x/b'], ['x/.wh.a']], ['/x/b 0']],
    ['a whiteout takes a folder away', [['x/a', 'x/y/b'], ['.wh.x']], []],
    ['a whiteout touches nothing of its own layer, before or after it', [['x/a'], ['x/b', '.wh.x', 'x/c']], ['/x/b 1', '/x/c 1']],
    [
      'an opaque folder shows its own layer alone',
      [
        ['x/a', 'x/y/b', 'z'],
        ['x/c', 'x/.wh..wh..opq'],
      ],
      ['/x/c 1', '/z 0'],
    ],
    ['a whiteout of nothing does nothing', [['a'], ['.wh.b', 'q/.wh.b']], ['/a 0']],
    ['a file takes the place of a folder', [['x/a'], ['x']], ['/x 1']],
    ['a folder takes the place of a file', [['x'], [['directory', 'x/'], 'x/a']], ['/x/a 1']],
    ['a folder that is named again keeps its files', [['x/a'], [['directory', 'x/']]], ['/x/a 0']],
    ['a symbolic link takes the place of a file', [['a', 'b'], [['symlink', 'a', 'b']]], ['/b 0']],
    ['a hard link has the content of its target, also from a lower layer', [['a'], [['hard link', 'b', 'a']]], ['/a 0', '/b 0']],
    ['a hard link keeps the content that its target had', [['a', ['hard link', 'b', './a']], ['a']], ['/a 1', '/b 0']],
    ['a hard link to nothing is no file', [[['hard link', 'b', 'a']]], []],
    [
      'an entry below a link to a folder lands in that folder',
      [[['directory', 'usr/lib'], ['symlink', 'lib', 'usr/lib'], 'lib/a']],
      ['/usr/lib/a 0'],
    ],
    ['names are cleaned', [['./a', '/b', 'x/../c', './']], ['/a 0', '/b 0', '/c 0']],
    ['a device is no file', [[['other', 'dev/null']]], []],
  ])('%s', (_, layers, expected) => {
    expect(visible(files(...layers))).toEqual(expected);
  });

  test('a path above the root stays inside', () => {
    const image = files([['symlink', 'up', '../../../etc'], 'etc/a', ['symlink', 'etc/self', '../../up/a']]);
    expect(matchFiles(image, '/up/a').map(({ path }) => path)).toEqual(['/etc/a']);
    expect(matchFiles(image, '/etc/self').map(({ path }) => path)).toEqual(['/etc/a']);
  });

  test('`..` behind a link goes up from where the link leads', () => {
    const image = files([['symlink', 'link', 'deep/er'], 'deep/er/x', 'deep/a', 'a', ['symlink', 'b', 'link/../a']]);
    expect(matchFiles(image, '/b').map(({ path }) => path)).toEqual(['/deep/a']);
  });

  test('links in a circle lead nowhere', () => {
    const image = files([['symlink', 'a', 'b'], ['symlink', 'b', 'a'], ['symlink', 'c', 'c/x'], 'ok']);
    expect(matchFiles(image, '/*').map(({ path }) => path)).toEqual(['/ok']);
  });
});
