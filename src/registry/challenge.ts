/** One way of authentication that a server offers, the scheme in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** A word, and `= value` when it is a parameter. Every part eats a class that the next one does not start with, so the time is linear. */
const WORD = /[\s,]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/y;

/** Reads `WWW-Authenticate`, one header or several, each with one challenge or several. What cannot be read ends the header. Source: RFC 9110, 11.6.1. */
export function parseChallenges(header: string | readonly string[] | undefined): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  for (const line of typeof header === 'string' ? [header] : (header ?? [])) {
    WORD.lastIndex = 0;
    for (let match = WORD.exec(line); match !== null; match = WORD.exec(line)) {
      const [, word = '', quoted, plain] = match;
      const value = quoted?.replace(/\\(.)/g, '$1') ?? plain;
      const current = challenges.at(-1);
      if (value === undefined) challenges.push({ scheme: word.toLowerCase(), parameters: {} });
      else if (current !== undefined) current.parameters[word.toLowerCase()] ??= value;
    }
  }
  return challenges;
}

/** Bearer before Basic: a registry that offers both wants the password to go to its token service. */
export const usableChallenge = (challenges: readonly Challenge[]): Challenge | undefined =>
  challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters['realm'] !== undefined) ??
  challenges.find(({ scheme }) => scheme === 'basic');
