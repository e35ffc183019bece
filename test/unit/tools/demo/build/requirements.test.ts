import { expect, test } from '@jest/globals';
import { mustBuildHere } from '../../../../../tools/demo/build/requirements.js';

const machine = { platform: 'linux', uid: 0, findParts: () => undefined };

test('root on Linux with all parts may build', () => {
  expect(() => mustBuildHere(machine)).not.toThrow();
});

test.each([
  [
    'another system',
    { platform: 'darwin' },
    '--build needs Linux, and this is darwin. Without it the demo ships images that are made already.',
  ],
  [
    'a user who is not root',
    { uid: 1000 },
    '--build needs root, as the demo runs the containers of its build Jobs as processes with a root folder of their own. Run it as root, or without --build, which ships images that are made already.',
  ],
  [
    'a machine without the parts',
    {
      findParts: () => {
        throw new Error('The program buildah is missing: it is in no folder of PATH. Run "make build-parts".');
      },
    },
    '--build cannot build on this machine. The program buildah is missing: it is in no folder of PATH. Run "make build-parts".',
  ],
])('%s is told what is missing and what to do', (_what, change, message) => {
  expect(() => mustBuildHere({ ...machine, ...change })).toThrow(new Error(message));
});
