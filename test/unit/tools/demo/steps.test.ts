import { expect, test } from '@jest/globals';
import { createScreen } from '../../../../tools/demo/screen.js';
import { Cleanup, step, type Demo } from '../../../../tools/demo/steps.js';

function aDemo(signal: AbortSignal): Demo & { readonly said: string[] } {
  const said: string[] = [];
  const screen = createScreen({ write: (text) => said.push(text) });
  const options = { clusters: 1, kernels: 1, offline: 0, withoutClaim: 0, once: true, fast: true, build: false, timeLimitMs: 1 };
  return { options, kernels: [], screen, signal, cleanup: new Cleanup(), said };
}

test('what was started is stopped in reverse order, and a part that cannot be stopped does not keep the others up', async () => {
  const stopped: string[] = [];
  const cleanup = new Cleanup();
  cleanup.add(() => stopped.push('first'));
  cleanup.add(() => Promise.reject(new Error('it hangs')));
  cleanup.add(() => stopped.push('last'));
  await expect(cleanup.run()).rejects.toThrow('it hangs');
  expect(stopped).toEqual(['last', 'first']);
});

test('a part that came up after Ctrl-C is stopped, and the next one is not begun', async () => {
  const controller = new AbortController();
  const demo = aDemo(controller.signal);
  const stopped: string[] = [];
  const start = async (): Promise<string> => {
    controller.abort(new Error('Ctrl-C'));
    return 'etcd';
  };
  await expect(step(demo, 'Starting etcd.', start, (part) => stopped.push(part))).rejects.toThrow('Ctrl-C');
  await expect(step(demo, 'Starting the hub.', () => Promise.resolve('hub'))).rejects.toThrow('Ctrl-C');
  await demo.cleanup.run();
  expect(stopped).toEqual(['etcd']);
  expect(demo.said).toEqual(['Starting etcd.\n']);
});
