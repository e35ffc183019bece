import { expect, test } from '@jest/globals';
import { kernelNames } from '../../../../tools/demo/kernels.js';
import { nextSteps, workflowUrl } from '../../../../tools/demo/texts.js';

const STEPS = {
  module: 'simple-kmod',
  uiUrl: 'http://127.0.0.1:8233',
  envPath: '.demo/env',
  manifestPath: '.demo/simple-kmod.yaml',
  hubPid: 4711,
  offline: ['spoke-23', 'spoke-24'],
  spoke: 'spoke-01',
  otherKernel: '6.1.0-56-cloud-amd64',
  unknownKernel: '6.12.1-custom',
  hasKubectl: true,
};

test('the link to the Temporal UI escapes the slash of the workflow id', () => {
  expect(workflowUrl('http://127.0.0.1:8233', 'simple-kmod')).toBe('http://127.0.0.1:8233/namespaces/default/workflows/mcm%2Fsimple-kmod');
});

test('every command to try is complete: nothing has to be filled in', () => {
  const commands = nextSteps(STEPS)
    .split('\n')
    .flatMap((line) => /^ {2}(\S.*?) +# /.exec(line)?.[1] ?? []);
  expect(commands).toEqual([
    'kmodflow status',
    'kmodflow status simple-kmod',
    'kmodflow clusters simple-kmod',
    'kmodflow history simple-kmod',
    'kmodflow plan -f .demo/simple-kmod.yaml',
    'kubectl get mcm',
    'spoke online spoke-23',
    'spoke kernel spoke-01 6.1.0-56-cloud-amd64',
    'spoke kernel spoke-01 6.12.1-custom',
    'kill -9 4711',
    'kubectl delete mcm simple-kmod',
  ]);
});

test('where images are built, their workflows and logs are shown, and a change of the Dockerfile is offered', () => {
  const text = nextSteps({
    ...STEPS,
    module: 'sample-kmod',
    built: { kernel: '6.1.0-56-amd64', dockerfilePath: '.demo/Dockerfile', workflows: ['image/4f6513fb80f5a0ce'] },
  });
  for (const part of [
    '  http://127.0.0.1:8233/namespaces/default/workflows/image%2F4f6513fb80f5a0ce\n',
    '  kmodflow images sample-kmod ',
    '  kmodflow logs sample-kmod --kernel 6.1.0-56-amd64 ',
    '  sed -i s/SAMPLE_VERSION=1.0/SAMPLE_VERSION=1.1/ .demo/Dockerfile ',
    '  put-dockerfile .demo/Dockerfile ',
    'its build fails; the status says so',
  ])
    expect(text).toContain(part);
});

test('nothing is offered that would not work here', () => {
  const text = nextSteps({ ...STEPS, offline: [], otherKernel: undefined, hasKubectl: false });
  for (const word of ['kubectl', 'spoke online', 'cloud-amd64']) expect(text).not.toContain(word);
});

test('kernels are named as Debian names them, and no two are the same', () => {
  expect(kernelNames(4)).toEqual(['6.1.0-56-amd64', '6.1.0-56-cloud-amd64', '6.1.0-56-rt-amd64', '6.1.0-57-amd64']);
  expect(new Set(kernelNames(50)).size).toBe(50);
});
