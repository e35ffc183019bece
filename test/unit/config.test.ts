import { describe, expect, test } from '@jest/globals';
import { loadConfig } from '../../src/config.js';
import type { ImageJobSettings } from '../../src/domain/image-job-settings.js';

const imageJobs = (env: Record<string, string | undefined> = {}): ImageJobSettings => loadConfig(env).imageJobs;

describe('the settings of builds', () => {
  test('are complete without any variable, and an empty variable is none', () => {
    const byDefault = {
      builderImage: 'kmodflow-builder:0.1.0',
      signerImage: 'kmodflow-signer:0.1.0',
      maxBuilds: 2,
      activeDeadlineSeconds: 3_600,
      failedJobTtlSeconds: 86_400,
      gcDelaySeconds: 0,
      requests: { cpu: '500m', memory: '1Gi' },
      limits: { memory: '4Gi' },
      storageLimit: '20Gi',
      pullSecrets: [],
    };
    expect(imageJobs()).toEqual(byDefault);
    expect(imageJobs({ KMODFLOW_BUILD_LIMITS: '', KMODFLOW_BUILDER_IMAGE: '', KMODFLOW_MAX_BUILDS: undefined })).toEqual(byDefault);
  });

  test('come each from its variable', () => {
    expect(
      imageJobs({
        KMODFLOW_BUILDER_IMAGE: 'registry.example.com/builder:1',
        KMODFLOW_SIGNER_IMAGE: 'registry.example.com/signer:1',
        KMODFLOW_MAX_BUILDS: '5',
        KMODFLOW_BUILD_DEADLINE: '1h30m',
        KMODFLOW_FAILED_JOB_TTL: '10m',
        KMODFLOW_JOB_GC_DELAY: '90s',
        KMODFLOW_BUILD_REQUESTS: 'cpu=2, memory=1.5Gi',
        KMODFLOW_BUILD_LIMITS: 'cpu=4,memory=8Gi,ephemeral-storage=30G',
        KMODFLOW_BUILD_STORAGE: '100Gi',
        KMODFLOW_BUILD_CACHE: 'registry.example.com/cache',
        KMODFLOW_BUILD_PULL_SECRETS: 'pull-a, pull-b,',
      }),
    ).toEqual({
      builderImage: 'registry.example.com/builder:1',
      signerImage: 'registry.example.com/signer:1',
      maxBuilds: 5,
      activeDeadlineSeconds: 5_400,
      failedJobTtlSeconds: 600,
      gcDelaySeconds: 90,
      requests: { cpu: '2', memory: '1.5Gi' },
      limits: { cpu: '4', memory: '8Gi', 'ephemeral-storage': '30G' },
      storageLimit: '100Gi',
      cache: 'registry.example.com/cache',
      pullSecrets: ['pull-a', 'pull-b'],
    });
  });

  test.each(['0', '0s', '0m'])('%s keeps no finished Job', (delay) => {
    expect(imageJobs({ KMODFLOW_JOB_GC_DELAY: delay, KMODFLOW_FAILED_JOB_TTL: '0s' })).toMatchObject({
      gcDelaySeconds: 0,
      failedJobTtlSeconds: 0,
    });
  });

  test('a fraction of a second counts as a whole one: Kubernetes knows no smaller unit', () => {
    expect(imageJobs({ KMODFLOW_JOB_GC_DELAY: '1500ms', KMODFLOW_BUILD_DEADLINE: '60.2s' })).toMatchObject({
      gcDelaySeconds: 2,
      activeDeadlineSeconds: 61,
    });
  });
});

describe('a wrong value is refused with its variable, the value and what would be right', () => {
  test.each([
    ['KMODFLOW_JOB_GC_DELAY', 'soon', 'a duration such as "90s", "10m" or "1h30m"'],
    ['KMODFLOW_FAILED_JOB_TTL', '0', 'a duration such as "90s", "10m" or "1h30m"'],
    ['KMODFLOW_FAILED_JOB_TTL', '1d', 'a duration such as "90s", "10m" or "1h30m"'],
    ['KMODFLOW_BUILD_DEADLINE', '9000h', 'a duration of at most "8760h" (a year)'],
    // A Job with a deadline of nothing fails before it begins.
    ['KMODFLOW_BUILD_DEADLINE', '0s', 'a duration of at least "1s"'],
    ['KMODFLOW_BUILD_REQUESTS', 'cpu', '"cpu" is not name=quantity, such as memory=4Gi'],
    ['KMODFLOW_BUILD_REQUESTS', 'cpu=1,memory=lots', '"memory=lots" is not name=quantity, such as memory=4Gi'],
    ['KMODFLOW_BUILD_LIMITS', 'memory=4Gi,', '"" is not name=quantity, such as memory=4Gi'],
    ['KMODFLOW_BUILD_LIMITS', 'memory=4Gi=8Gi', '"memory=4Gi=8Gi" is not name=quantity, such as memory=4Gi'],
    ['KMODFLOW_BUILD_LIMITS', 'memory=-4Gi', '"memory=-4Gi" is not name=quantity, such as memory=4Gi'],
    ['KMODFLOW_BUILD_STORAGE', '20 GB', 'write a Kubernetes quantity, such as 500m, 4 or 20Gi'],
    ['KMODFLOW_MAX_BUILDS', '0', 'Too small: expected number to be >=1'],
    ['KMODFLOW_MAX_BUILDS', '1000', 'Too big: expected number to be <=100'],
  ])('%s=%s', (name, value, wanted) => {
    expect(() => loadConfig({ [name]: value })).toThrow(`The environment is not valid. ${name}="${value}": ${wanted}.`);
  });

  test('and every wrong one is named', () => {
    const both = { KMODFLOW_BUILD_STORAGE: 'big', KMODFLOW_BUILD_DEADLINE: 'forever' };
    expect(() => loadConfig(both)).toThrow(/KMODFLOW_BUILD_DEADLINE="forever".*; KMODFLOW_BUILD_STORAGE="big"/);
  });
});
