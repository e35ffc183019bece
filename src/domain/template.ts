export type Expansion = { readonly ok: true; readonly value: string } | { readonly ok: false; readonly message: string };
export type Variables = Readonly<Record<string, string>>;

/**
 * Replaces variables in a template, as KMM does with its expander (envsubst 1.4.2 of a8m, without restrictions):
 *
 * | written | gives |
 * | --- | --- |
 * | `$NAME`, `${NAME}` | the value; nothing if there is no such variable |
 * | `${NAME-text}`, `${NAME=text}` | the value if set, else the text |
 * | `${NAME:-text}`, `${NAME:=text}` | the value if set and not empty, else the text |
 * | `${NAME+text}`, `${NAME:+text}` | the text if set (also if empty), else nothing |
 * | `$$` | a dollar sign |
 * | `$` before anything else, and `$_` | itself |
 *
 * Names are letters, digits and `_`. The text ends at the first `}`; it may be one `$NAME`, which is expanded. With no text (`${NAME+}`) the value stands.
 * Any other modifier (`${NAME:0:3}`, `${NAME/a/b}`, `${NAME^^}`) is accepted and ignored: upstream gives the plain value, and people's images are named by it.
 *
 * Stricter than upstream where upstream lets a typing mistake through as an empty or half-expanded text that no registry knows: a missing name (`${}`,
 * `${#NAME}`, `${ NAME}`), and a `$` among other text inside the braces (`${A:-${B}}`, `${A:-x$B}`).
 *
 * Nothing but `variables` is consulted, never the process environment.
 * @returns The expanded text, or why the template is malformed and where (positions count from 1).
 */
export function expandTemplate(template: string, variables: Variables): Expansion {
  let value = '';
  let at = 0;
  while (at < template.length) {
    const dollar = template.indexOf('$', at);
    if (dollar === -1) return { ok: true, value: value + template.slice(at) };
    value += template.slice(at, dollar);
    const step = template[dollar + 1] === '{' ? expandBraces(template, dollar, variables) : expandPlain(template, dollar, variables);
    if ('message' in step) return { ok: false, message: step.message };
    value += step.text;
    at = step.end;
  }
  return { ok: true, value };
}

/** What one `$…` gives, and where the text after it begins. */
type Step = { readonly text: string; readonly end: number } | { readonly message: string };

const NAME = /[_\p{L}\p{Nd}]+/uy;
const OPERATOR = /:?[-=+]/y;

const isName = (name: string): boolean => name !== '' && name !== '_';
const lookUp = (variables: Variables, name: string): string | undefined => (Object.hasOwn(variables, name) ? variables[name] : undefined);

function matchAt(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? '';
}

function expandPlain(template: string, dollar: number, variables: Variables): Step {
  if (template[dollar + 1] === '$') return { text: '$', end: dollar + 2 };
  const name = matchAt(NAME, template, dollar + 1);
  const end = dollar + 1 + name.length;
  return isName(name) ? { text: lookUp(variables, name) ?? '', end } : { text: template.slice(dollar, end), end };
}

function expandBraces(template: string, dollar: number, variables: Variables): Step {
  const here = (what: string, at: number) => ({ message: `${what} at position ${at + 1} of ${JSON.stringify(template)}` });
  const close = template.slice(dollar).search(/[}\r\n]/) + dollar;
  if (close < dollar || template[close] !== '}') return here('the closing brace is missing of the ${', dollar);
  const name = matchAt(NAME, template, dollar + 2);
  if (!isName(name)) return here('a variable name must follow the ${', dollar);

  const afterName = dollar + 2 + name.length;
  const operator = matchAt(OPERATOR, template, afterName);
  const text = template.slice(afterName + operator.length, close);
  if (text === ':') return here('one of - = + and a text must follow the colon', afterName);
  const value = lookUp(variables, name);
  if (text === '') return { text: value ?? '', end: close + 1 };
  const alternative = expandAlternative(text, variables);
  if (alternative === undefined) {
    return here('inside ${…} a $ may only begin one plain $NAME that stands alone; there is another $', template.indexOf('$', afterName));
  }
  return { text: choose(operator, value, alternative), end: close + 1 };
}

/** A text without `$`, or the value of the one `$NAME` that it is. */
function expandAlternative(text: string, variables: Variables): string | undefined {
  if (!text.includes('$')) return text;
  const name = text.startsWith('$') ? matchAt(NAME, text, 1) : '';
  return isName(name) && name.length + 1 === text.length ? (lookUp(variables, name) ?? '') : undefined;
}

function choose(operator: string, value: string | undefined, alternative: string): string {
  switch (operator) {
    case '-':
    case '=':
      return value ?? alternative;
    case ':-':
    case ':=':
      return value === undefined || value === '' ? alternative : value;
    case '+':
    case ':+':
      return value === undefined ? '' : alternative;
    default: // a modifier that the expander does not know
      return value ?? '';
  }
}
