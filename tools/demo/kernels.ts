const FLAVOURS = ['amd64', 'cloud-amd64', 'rt-amd64'] as const;
const FIRST_BUILD = 56;

/** Kernel releases as Debian 12 names them, all different: three flavours of one build, then of the next. */
export const kernelNames = (count: number): string[] =>
  Array.from(
    { length: count },
    (_, index) => `6.1.0-${FIRST_BUILD + Math.floor(index / FLAVOURS.length)}-${FLAVOURS[index % FLAVOURS.length]}`,
  );
