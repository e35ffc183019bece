import { describe, expect, test } from '@jest/globals';
import type { SignalWithStart, WorkflowMessages } from '../../../activities/deps.js';
import { createRequestBuildSlot, createRequestImages } from '../../../activities/request-images.js';
import type { ImageJobSettings } from '../../../src/domain/image-job-settings.js';
import type { ImageRequest } from '../../../src/domain/image-process.js';
import { aBuiltNeed, IMAGE, KERNEL, KEY } from './image-fakes.js';

const requester = { workflowId: 'mcm/kmod', module: 'kmod', uid: 'mcm-uid' };
const aRequest = (key = KEY): ImageRequest => ({ need: aBuiltNeed({ key }), requester, retry: 'r-1' });

function messages(fail?: Error) {
  const started: SignalWithStart[] = [];
  const under = { way: 0, most: 0 };
  const workflows: WorkflowMessages = {
    signal: () => Promise.reject(new Error('a signal alone reaches nobody who does not run')),
    isRunning: () => Promise.reject(new Error('nobody needs to know')),
    signalWithStart: async (start) => {
      under.way += 1;
      under.most = Math.max(under.most, under.way);
      await Promise.resolve();
      under.way -= 1;
      if (fail !== undefined) throw fail;
      started.push(start);
    },
  };
  return { workflows, started, under };
}

describe('requesting images', () => {
  test('starts the workflow of the key, or joins the one that runs, with the request as its signal', async () => {
    const { workflows, started } = messages();
    await createRequestImages({ workflows })({ requests: [aRequest()] });
    expect(started).toEqual([
      {
        workflowType: 'kmodImage',
        workflowId: `image/${KEY}`,
        input: {},
        signalName: 'needImage',
        payload: aRequest(),
        summary: `Provides ${IMAGE} for kernel ${KERNEL}`,
      },
    ]);
  });

  test('reaches every key, eight at a time', async () => {
    const { workflows, started, under } = messages();
    const keys = Array.from({ length: 30 }, (_, i) => String(i).padStart(16, '0'));
    await createRequestImages({ workflows })({ requests: keys.map((key) => aRequest(key)) });
    expect(started.map((s) => s.workflowId).sort()).toEqual(keys.map((key) => `image/${key}`));
    expect(under.most).toBe(8);
  });

  test('fails when Temporal cannot be reached, so that the whole request is repeated', async () => {
    const { workflows } = messages(new Error('no connection'));
    await expect(createRequestImages({ workflows })({ requests: [aRequest()] })).rejects.toThrow('no connection');
  });
});

test('a build asks the one queue of the hub for a place, and tells it how many places there are', async () => {
  const { workflows, started } = messages();
  const imageJobs = { maxBuilds: 3 } as ImageJobSettings;
  const request = { workflowId: `image/${KEY}`, modules: ['kmod'], key: KEY, title: IMAGE };
  await createRequestBuildSlot({ workflows, imageJobs })(request);
  expect(started).toMatchObject([{ workflowType: 'buildQueue', payload: { ...request, capacity: 3 } }]);
  expect(started[0]?.workflowId).toBe('image-queue');
});
