import { describe, expect, test } from '@jest/globals';
import { InvalidManifest } from '../../../src/client/manifest.js';
import { Fault } from '../../../src/domain/fault.js';
import { aModuleSpec } from '../domain/builders.js';
import { aClient, aManifest, anObject, fakeHub, noWorkflows, SELECTOR } from './fakes.js';

const spec = { selector: SELECTOR, spokeNamespace: 'kmm-modules', moduleSpec: aModuleSpec() };

describe('a headless start', () => {
  test('takes a name and a spec, or a whole manifest', async () => {
    const started: unknown[] = [];
    const workflows = noWorkflows({
      start: (name, given) => {
        started.push([name, given.spokeNamespace]);
        return Promise.resolve({ name, workflowId: `mcm/${name}`, runId: 'run-1' });
      },
    });
    const client = aClient(workflows);
    expect(await client.start({ name: 'kmod', spec })).toEqual({ name: 'kmod', workflowId: 'mcm/kmod', runId: 'run-1' });
    await client.start({ mcm: aManifest(aModuleSpec()) });
    expect(started).toEqual([
      ['kmod', 'kmm-modules'],
      ['kmod', 'kmm-modules'],
    ]);
  });

  test('lists every problem by its path, and starts nothing', async () => {
    const workflows = noWorkflows({ start: () => Promise.reject(new Error('it was started')) });
    const mcm = aManifest({ selector: {}, moduleLoader: { container: { kernelMappings: 'all', modprobe: {} } } }, { spokeNamespaces: 'x' });
    const failed: unknown = await aClient(workflows)
      .start({ mcm })
      .catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(InvalidManifest);
    const { kind, message, problems } = failed as InvalidManifest;
    expect(kind).toBe('Invalid');
    expect(problems.map((p) => p.path)).toEqual(
      expect.arrayContaining(['spec.moduleSpec.moduleLoader.container.kernelMappings', 'spec.spokeNamespaces']),
    );
    expect(message.split('\n')[0]).toBe('The ManagedClusterModule is not valid:');
    for (const { path } of problems) expect(message).toContain(`\n  ${path}`);
  });

  test('applies the rules of admission too', async () => {
    const long = aManifest(aModuleSpec(), { spokeNamespace: 'a-namespace-with-a-rather-long-name-for-it' });
    await expect(aClient(noWorkflows()).start({ mcm: long })).rejects.toThrow(
      'metadata.name "kmod" and spec.spokeNamespace "a-namespace-with-a-rather-long-name-for-it" have 46 characters together; at most 41 are allowed',
    );
  });

  test('is refused where an object of that name exists', async () => {
    const hub = fakeHub({ 'managedclustermodules/kmod': anObject(aModuleSpec()) });
    await expect(aClient(noWorkflows(), hub).start({ name: 'kmod', spec })).rejects.toMatchObject({
      kind: 'Conflict',
      message:
        'A ManagedClusterModule kmod exists on the hub, and its workflow looks after it. Change it with kubectl apply, or choose another name.',
    });
  });

  test('works without a hub to ask', async () => {
    expect(await aClient(noWorkflows(), new Fault('Unavailable', 'no hub')).start({ name: 'kmod', spec })).toMatchObject({ name: 'kmod' });
  });
});

describe('what people ask of a module', () => {
  const asked: unknown[] = [];
  const client = aClient(
    noWorkflows({
      request: (name, request, argument) => {
        asked.push([name, request, argument]);
        return Promise.resolve('Done.');
      },
    }),
  );

  test('goes to its workflow with who asks and why, and brings its sentence back', async () => {
    expect(await client.pause('kmod', { by: 'ada', reason: 'lunch' })).toBe('Done.');
    await client.resume('kmod', { by: 'ada' });
    await client.retry('kmod', { by: 'ada' });
    await client.confirmRemoval('kmod', { by: 'ada', token: '0123456789ab' });
    await client.delete('kmod', { by: 'ada', reason: 'over' });
    await client.setSpec('kmod', spec, { by: 'ada' });
    expect(asked).toEqual([
      ['kmod', 'pause', { by: 'ada', reason: 'lunch' }],
      ['kmod', 'resume', { by: 'ada' }],
      ['kmod', 'retry', { by: 'ada' }],
      ['kmod', 'confirmRemoval', { by: 'ada', token: '0123456789ab' }],
      ['kmod', 'delete', { by: 'ada', reason: 'over' }],
      ['kmod', 'setSpec', { by: 'ada', spec: expect.objectContaining({ spokeNamespace: 'kmm-modules' }) }],
    ]);
  });

  test('is checked before it is sent', async () => {
    await expect(client.setSpec('kmod', { ...spec, spokeNamespace: 'Not A Label' }, { by: 'ada' })).rejects.toThrow(
      'spec.spokeNamespace is "Not A Label"; expected a DNS label of at most 63 characters, such as kmm-modules.',
    );
  });
});
