import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { expandTemplate } from '../../../src/domain/template.js';

const variables = { BAR: 'bar', FOO: 'foo', EMPTY: '', A: 'AAA', '1': 'one' };

/** Each pair was produced by the upstream expander, version 1.4.2, with these variables. */
test.each([
  ['', ''],
  ['plain text', 'plain text'],
  ['$BAR', 'bar'],
  ['${BAR}baz', 'barbaz'],
  ['$BAR$FOO', 'barfoo'],
  ['$BARbaz', ''],
  ['$1-${1}', 'one-one'],
  ['$NOTSET|${NOTSET}', '|'],
  ['${NOTSET-x}|${EMPTY-x}|${BAR-x}', 'x||bar'],
  ['${NOTSET=x}|${EMPTY=x}|${BAR=x}', 'x||bar'],
  ['${NOTSET:-x}|${EMPTY:-x}|${BAR:-x}', 'x|x|bar'],
  ['${NOTSET:=x}|${EMPTY:=x}|${BAR:=x}', 'x|x|bar'],
  ['${NOTSET+x}|${EMPTY+x}|${BAR+x}', '|x|x'],
  ['${NOTSET:+x}|${EMPTY:+x}|${BAR:+x}', '|x|x'],
  ['${NOTSET:-$BAR}', 'bar'],
  ['${NOTSET-$ALSO_NOTSET}', ''],
  ['${NOTSET--1}|${NOTSET:==1}', '-1|=1'],
  ['${NOTSET-http://localhost:8080}', 'http://localhost:8080'],
  ['${BAR+}|${NOTSET+}|${NOTSET:-}', 'bar||'],
  ['${BAR:0:1}|${BAR/a/o}|${BAR^^}|${BAR#b}|${BAR%r}', 'bar|bar|bar|bar|bar'],
  ['$$BAR', '$BAR'],
  ['$$${BAR}', '$bar'],
  ['$${BAR}', '${BAR}'],
  ['$$$$', '$$'],
  ['cost: 5$', 'cost: 5$'],
  ['$ BAR', '$ BAR'],
  ['$_ x', '$_ x'],
  ['a\n$BAR\n${FOO}', 'a\nbar\nfoo'],
])('%j expands to %j, as upstream does', (template, value) => {
  expect(expandTemplate(template, variables)).toEqual({ ok: true, value });
});

test.each([
  ['kmod:${KERNEL_XYZ', 'the closing brace is missing of the ${ at position 6 of "kmod:${KERNEL_XYZ"'],
  ['${', 'the closing brace is missing of the ${ at position 1 of "${"'],
  ['${A\n}', 'the closing brace is missing of the ${ at position 1 of "${A\\n}"'],
  ['${A:}', 'one of - = + and a text must follow the colon at position 4 of "${A:}"'],
  ['${}', 'a variable name must follow the ${ at position 1 of "${}"'],
  ['x${#A}', 'a variable name must follow the ${ at position 2 of "x${#A}"'],
  ['${ A}', 'a variable name must follow the ${ at position 1 of "${ A}"'],
  ['${_}', 'a variable name must follow the ${ at position 1 of "${_}"'],
  ['${A:-${BAR}}', 'inside ${…} a $ may only begin one plain $NAME that stands alone; there is another $ at position 6 of "${A:-${BAR}}"'],
  ['${A:-x$BAR}', 'inside ${…} a $ may only begin one plain $NAME that stands alone; there is another $ at position 7 of "${A:-x$BAR}"'],
])('%j is malformed', (template, message) => {
  expect(expandTemplate(template, variables)).toEqual({ ok: false, message });
});

test('the environment of the process and the prototype of the variables are not consulted', () => {
  process.env['KMODFLOW_TEMPLATE_TEST'] = 'leaked';
  expect(expandTemplate('$KMODFLOW_TEMPLATE_TEST|$constructor|${__proto__}', {})).toEqual({ ok: true, value: '||' });
  delete process.env['KMODFLOW_TEMPLATE_TEST'];
});

test('a text without a dollar sign is never changed, and doubled dollars always come back single', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(expandTemplate(text.replaceAll('$', '$$$$'), variables)).toEqual({ ok: true, value: text });
    }),
  );
});

test('a value is put in once: what it contains is not expanded again', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      expect(expandTemplate('<${V}|$V>', { V: value })).toEqual({ ok: true, value: `<${value}|${value}>` });
    }),
  );
});

test('no template makes it throw', () => {
  const anyTemplate = fc
    .array(fc.constantFrom('$', '${', '}', 'A', '_', ':', '-', '+', '=', ' ', '\n', '$BAR'))
    .map((parts) => parts.join(''));
  fc.assert(fc.property(anyTemplate, (template) => expect(typeof expandTemplate(template, variables).ok).toBe('boolean')));
});
