/**
 * File patterns as a POSIX shell expands them (POSIX.1-2024, XCU 2.14, "Pattern Matching Notation", with the rules for pathnames):
 *
 * | written | matches |
 * | --- | --- |
 * | `*`, `?` | any text, any one character: never a `/`, never a dot at the beginning of a part of the path |
 * | `[abc]`, `[a-f]`, `[[:digit:]]` | one of these characters (classes in ASCII) |
 * | `[!abc]`, `[^abc]` | one character that is none of these, and no leading dot |
 * | `\x` | the character x, whatever it is |
 *
 * No braces and no `**` (which is `*`). A bracket without its end stands for itself. Patterns and paths are absolute: a missing `/` in front is added, and
 * doubled slashes, `.` and `..` are resolved in the text.
 *
 * A pattern comes from a person and never becomes a RegExp. The cost of one match is at most the pattern's length times the path's.
 */
export function shellGlob(pattern: string): (path: string) => boolean {
  const tests = shellGlobParts(pattern);
  return (path) => {
    const names = pathParts(path);
    return names.length === tests.length && tests.every((matches, index) => matches(names[index] ?? ''));
  };
}

/** One test for each part of the pattern's path, from the root: for who walks a tree and looks behind symbolic links on the way. */
export function shellGlobParts(pattern: string): readonly ((name: string) => boolean)[] {
  return patternParts(pattern).map((part) => {
    const tokens = tokensOf(part);
    return (name: string) => matchesPart(tokens, [...name]);
  });
}

/** Whether a shell would look for files: false for a pattern that names one path. */
export function hasGlob(pattern: string): boolean {
  return patternParts(pattern).some((part) => tokensOf(part).some((token) => typeof token !== 'string'));
}

/** The names along an absolute path; none for the root. `..` above the root stays at the root. */
export function pathParts(path: string): string[] {
  return resolveDots(path.split('/'));
}

function patternParts(pattern: string): string[] {
  // A quoted slash is a slash: the backslash before it is taken away with it.
  const parts = pattern.split('/').map((part, index, all) => (index < all.length - 1 && endsQuoting(part) ? part.slice(0, -1) : part));
  return resolveDots(parts);
}

/** An odd number of backslashes at the end: the last one quotes what follows. */
function endsQuoting(part: string): boolean {
  let count = 0;
  while (part[part.length - 1 - count] === '\\') count += 1;
  return count % 2 === 1;
}

function resolveDots(parts: readonly string[]): string[] {
  const kept: string[] = [];
  for (const part of parts) {
    if (part === '..') kept.pop();
    else if (part !== '' && part !== '.') kept.push(part);
  }
  return kept;
}

type CharacterTest = (char: string) => boolean;
/** A text is the one character that matches. */
type Token = string | typeof ANY | typeof MANY | { readonly set: CharacterTest };

const ANY = Symbol('?');
const MANY = Symbol('*');

function tokensOf(part: string): Token[] {
  const chars = [...part];
  const tokens: Token[] = [];
  let at = 0;
  while (at < chars.length) {
    const step = tokenAt(chars, at);
    // Two stars match what one matches.
    if (step.token !== MANY || tokens.at(-1) !== MANY) tokens.push(step.token);
    at = step.end;
  }
  return tokens;
}

function tokenAt(chars: readonly string[], at: number): { readonly token: Token; readonly end: number } {
  const char = chars[at] ?? '';
  if (char === '*') return { token: MANY, end: at + 1 };
  if (char === '?') return { token: ANY, end: at + 1 };
  if (char === '[') return bracketAt(chars, at) ?? { token: char, end: at + 1 };
  // A backslash that nothing follows stands for itself.
  if (char === '\\' && at + 1 < chars.length) return { token: chars[at + 1] ?? '', end: at + 2 };
  return { token: char, end: at + 1 };
}

const isBetween =
  (low: string, high: string): CharacterTest =>
  (char) =>
    char >= low && char <= high;
const either =
  (...tests: readonly CharacterTest[]): CharacterTest =>
  (char) =>
    tests.some((test) => test(char));

const lower = isBetween('a', 'z');
const upper = isBetween('A', 'Z');
const digit = isBetween('0', '9');
const blank: CharacterTest = (char) => char === ' ' || char === '\t';
const graph = isBetween('!', '~');

/** The classes of the POSIX locale. */
const CLASSES: Readonly<Record<string, CharacterTest>> = {
  alnum: either(lower, upper, digit),
  alpha: either(lower, upper),
  blank,
  cntrl: either(isBetween('\0', '\x1f'), (char) => char === '\x7f'),
  digit,
  graph,
  lower,
  print: either(graph, (char) => char === ' '),
  punct: (char) => graph(char) && !either(lower, upper, digit)(char),
  space: either(blank, isBetween('\n', '\r')),
  upper,
  xdigit: either(digit, isBetween('a', 'f'), isBetween('A', 'F')),
};

/** The bracket expression that begins here, or undefined where it has no end: the bracket is then a plain character. */
function bracketAt(chars: readonly string[], open: number): { readonly token: Token; readonly end: number } | undefined {
  const negated = chars[open + 1] === '!' || chars[open + 1] === '^';
  const first = open + (negated ? 2 : 1);
  if (chars.lastIndexOf(']') <= first) return undefined; // at once: a thousand open brackets would each look through the rest
  const tests: CharacterTest[] = [];
  let at = first;
  // A closing bracket in the first place is one of the characters.
  while (at < chars.length && (chars[at] !== ']' || at === first)) {
    const item = classAt(chars, at) ?? rangeAt(chars, at);
    tests.push(item.test);
    at = item.end;
  }
  if (at >= chars.length) return undefined;
  const inSet = either(...tests);
  return { token: { set: negated ? (char) => !inSet(char) : inSet }, end: at + 1 };
}

interface BracketItem {
  readonly test: CharacterTest;
  readonly end: number;
}

/** Longest class name, `xdigit`, with its colon and bracket: no need to look further for the end. */
const CLASS_REACH = 10;

function classAt(chars: readonly string[], at: number): BracketItem | undefined {
  if (chars[at] !== '[' || chars[at + 1] !== ':') return undefined;
  const ahead = chars.slice(at + 2, at + 2 + CLASS_REACH).join('');
  const name = ahead.slice(0, Math.max(0, ahead.indexOf(':]')));
  const test = Object.hasOwn(CLASSES, name) ? CLASSES[name] : undefined;
  return test && { test, end: at + 2 + name.length + 2 };
}

/** One character, or two with a hyphen between them; a hyphen before the closing bracket is a character. */
function rangeAt(chars: readonly string[], at: number): BracketItem {
  const low = bracketCharacter(chars, at);
  if (chars[low.end] !== '-' || chars[low.end + 1] === ']' || low.end + 1 >= chars.length) {
    return { test: (char) => char === low.char, end: low.end };
  }
  const high = bracketCharacter(chars, low.end + 1);
  const from = codePoint(low.char);
  const to = codePoint(high.char);
  return { test: (char) => codePoint(char) >= from && codePoint(char) <= to, end: high.end };
}

const codePoint = (char: string): number => char.codePointAt(0) ?? 0;

function bracketCharacter(chars: readonly string[], at: number): { readonly char: string; readonly end: number } {
  const quoted = chars[at] === '\\' && at + 1 < chars.length;
  return { char: chars[quoted ? at + 1 : at] ?? '', end: at + (quoted ? 2 : 1) };
}

/**
 * Takes as little as possible for each star and comes back only to the last one: an earlier star never needs another try, since whatever it could
 * give up the last one can take.
 */
function matchesPart(tokens: readonly Token[], chars: readonly string[]): boolean {
  if (chars[0] === '.' && tokens[0] !== '.') return false;
  let token = 0;
  let at = 0;
  let afterStar = -1;
  let starTook = 0;
  while (at < chars.length) {
    const current = tokens[token];
    if (current === MANY) {
      afterStar = token + 1;
      starTook = at;
      token = afterStar;
    } else if (current !== undefined && matchesOne(current, chars[at] ?? '')) {
      token += 1;
      at += 1;
    } else if (afterStar >= 0) {
      starTook += 1;
      at = starTook;
      token = afterStar;
    } else {
      return false;
    }
  }
  return tokens.slice(token).every((left) => left === MANY);
}

function matchesOne(token: Token, char: string): boolean {
  if (typeof token === 'string') return token === char;
  return typeof token === 'symbol' ? token === ANY : token.set(char);
}
