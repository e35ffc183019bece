/** The workflow's own time, which replays the same: the SDK replaces `Date` in the sandbox. RFC 3339. */
export const nowText = (): string => new Date().toISOString();

/** Milliseconds since the epoch, by the workflow's own time. */
export const nowMs = (): number => new Date().getTime();
