import {
  ApplicationFailure,
  isGrpcServiceError,
  NamespaceNotFoundError,
  QueryNotRegisteredError,
  QueryRejectedError,
  ServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { Fault, isFault } from '../domain/fault.js';

/** What was asked of which module, for the sentence. */
export interface Asked {
  readonly module: string;
  readonly taskQueue: string;
  /** Of an update: its name. */
  readonly request?: string | undefined;
  /** Queries and updates are answered by a worker; everything else by the server. */
  readonly needsWorker: boolean;
}

/** gRPC status codes that mean something to a person. Source: grpc.io, "Status codes and their use in gRPC". */
const GRPC = {
  cancelled: 1,
  deadlineExceeded: 4,
  permissionDenied: 7,
  failedPrecondition: 9,
  unavailable: 14,
  unauthenticated: 16,
} as const;

const notRunning = (module: string): Fault =>
  new Fault('Missing', `No workflow for module ${module} is running. Is the controller up? "kmodflow hub" starts one.`);

/** What a call that took too long means. */
export function tooLate({ module, taskQueue, request, needsWorker }: Asked, cause?: unknown): Fault {
  if (!needsWorker)
    return new Fault('Unavailable', `Temporal did not answer in time${module === '' ? '' : ` about module ${module}`}. Try again.`, {
      cause,
    });
  const after =
    request === undefined
      ? ''
      : ` It may or may not carry out "${request}" once one runs: look with "kmodflow status ${module}" before you ask again.`;
  return new Fault(
    'Unavailable',
    `The workflow of module ${module} did not answer in time: no worker polls task queue ${taskQueue}, or it is very busy. "kmodflow hub" or "kmodflow worker" starts one.${after}`,
    { cause },
  );
}

/** The innermost message: what a validator or handler of the workflow said. */
const saying = (error: unknown): string => {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : undefined;
  return inner === undefined ? (error instanceof Error ? error.message : String(error)) : saying(inner);
};

/** Errors of Temporal's client as sentences for people. A bug stays what it is, with its stack. */
export function toFault(error: unknown, asked: Asked): unknown {
  if (isFault(error)) return error;
  const { module } = asked;
  if (error instanceof WorkflowNotFoundError || error instanceof QueryRejectedError) return notRunning(module);
  if (error instanceof WorkflowExecutionAlreadyStartedError)
    return new Fault('Conflict', `Module ${module} is running already; change its spec with setSpec (kmodflow start --update).`, {
      cause: error,
    });
  if (error instanceof WorkflowUpdateFailedError)
    return new Fault('Conflict', error.cause instanceof ApplicationFailure ? error.cause.message : saying(error), { cause: error });
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) return tooLate(asked, error);
  if (error instanceof QueryNotRegisteredError)
    return new Fault('Unavailable', `The worker that answered for module ${module} is of another version of kmodflow: ${error.message}`, {
      cause: error,
    });
  if (error instanceof NamespaceNotFoundError)
    return new Fault('Missing', `Temporal has no namespace "${error.namespace}". Check TEMPORAL_NAMESPACE or --temporal-namespace.`, {
      cause: error,
    });
  return fromGrpc(error, asked);
}

function fromGrpc(error: unknown, asked: Asked): unknown {
  const grpc = isGrpcServiceError(error)
    ? error
    : error instanceof ServiceError && isGrpcServiceError(error.cause)
      ? error.cause
      : undefined;
  if (grpc === undefined) return error;
  const details = grpc.details || grpc.message;
  switch (grpc.code as number) {
    case GRPC.deadlineExceeded:
    case GRPC.cancelled:
      return tooLate(asked, error);
    case GRPC.failedPrecondition: // the server's own "no poller seen for task queue recently"
      return asked.needsWorker && /poller|worker/i.test(details)
        ? tooLate(asked, error)
        : new Fault('Conflict', `Temporal refused the request: ${details}`, { cause: error });
    case GRPC.permissionDenied:
    case GRPC.unauthenticated:
      return new Fault('Unavailable', `Temporal does not let us in: ${details}. Check the credentials for its namespace.`, {
        cause: error,
      });
    case GRPC.unavailable:
      return new Fault(
        'Unavailable',
        `Temporal does not answer (${details}). Check that the server runs and that TEMPORAL_ADDRESS (or --temporal-address) names it.`,
        {
          cause: error,
        },
      );
    default:
      return new Fault('Unavailable', `Temporal could not carry out the request: ${details}.`, { cause: error });
  }
}
