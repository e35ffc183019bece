import { describe, expect, test } from '@jest/globals';
import {
  ApplicationFailure,
  QueryNotRegisteredError,
  QueryRejectedError,
  ServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { toFault, tooLate } from '../../../src/client/temporal-faults.js';
import { Fault } from '../../../src/domain/fault.js';

const grpc = (code: number, details: string): ServiceError =>
  new ServiceError('Failed', { cause: Object.assign(new Error(`${code} ${details}`), { code, details, metadata: {} }) });
const asked = { module: 'kmod', taskQueue: 'kmodflow', needsWorker: true };

const NO_WORKER =
  'The workflow of module kmod did not answer in time: no worker polls task queue kmodflow, or it is very busy. "kmodflow hub" or "kmodflow worker" starts one.';

describe('an error of Temporal becomes a sentence', () => {
  const CASES: readonly [string, unknown, Partial<typeof asked & { request: string }>, Fault['kind'], string][] = [
    [
      'no workflow of that id',
      new WorkflowNotFoundError('not found', 'mcm/kmod', undefined),
      {},
      'Missing',
      'No workflow for module kmod is running. Is the controller up? "kmodflow hub" starts one.',
    ],
    [
      'a workflow that has ended',
      new QueryRejectedError(2),
      {},
      'Missing',
      'No workflow for module kmod is running. Is the controller up? "kmodflow hub" starts one.',
    ],
    [
      'a module that runs already',
      new WorkflowExecutionAlreadyStartedError('already started', 'mcm/kmod', 'managedClusterModule'),
      {},
      'Conflict',
      'Module kmod is running already; change its spec with setSpec (kmodflow start --update).',
    ],
    [
      'an update that the validator refuses',
      new WorkflowUpdateFailedError('Workflow Update failed', ApplicationFailure.nonRetryable('Module kmod is paused already, by ada.')),
      {},
      'Conflict',
      'Module kmod is paused already, by ada.',
    ],
    [
      'an update that nobody accepts in time',
      new WorkflowUpdateRPCTimeoutOrCancelledError('timeout'),
      { request: 'pause' },
      'Unavailable',
      `${NO_WORKER} It may or may not carry out "pause" once one runs: look with "kmodflow status kmod" before you ask again.`,
    ],
    ['a query that nobody answers in time', grpc(4, 'deadline exceeded'), {}, 'Unavailable', NO_WORKER],
    [
      'a query on a task queue without pollers',
      grpc(9, 'no poller seen for task queue recently, worker may be down'),
      {},
      'Unavailable',
      NO_WORKER,
    ],
    [
      'a question to the server alone that takes too long',
      grpc(4, 'deadline exceeded'),
      { needsWorker: false },
      'Unavailable',
      'Temporal did not answer in time about module kmod. Try again.',
    ],
    [
      'a server that is not there',
      grpc(14, 'connection refused'),
      {},
      'Unavailable',
      'Temporal does not answer (connection refused). Check that the server runs and that TEMPORAL_ADDRESS (or --temporal-address) names it.',
    ],
    [
      'a server that asks for credentials',
      grpc(16, 'missing token'),
      {},
      'Unavailable',
      'Temporal does not let us in: missing token. Check the credentials for its namespace.',
    ],
    [
      'a worker of another version',
      new QueryNotRegisteredError('no handler for "status"', 3),
      {},
      'Unavailable',
      'The worker that answered for module kmod is of another version of kmodflow: no handler for "status"',
    ],
    [
      'anything else the server says',
      grpc(8, 'namespace rate limit exceeded'),
      {},
      'Unavailable',
      'Temporal could not carry out the request: namespace rate limit exceeded.',
    ],
  ];
  test.each(CASES)('%s', (_name, error, change, kind, message) => {
    const fault = toFault(error, { ...asked, ...change });
    expect(fault).toBeInstanceOf(Fault);
    expect(fault).toMatchObject({ kind, message });
  });

  test('a fault stays what it is, and a bug too', () => {
    const fault = new Fault('Invalid', 'no');
    const bug = new TypeError('x is undefined');
    expect(toFault(fault, asked)).toBe(fault);
    expect(toFault(bug, asked)).toBe(bug);
  });

  test('a list that takes too long blames no module and no worker', () => {
    expect(tooLate({ module: '', taskQueue: 'kmodflow', needsWorker: false }).message).toBe('Temporal did not answer in time. Try again.');
  });
});
