import type { ModuleSpec } from '../../api/index.js';
import { isSet, quote, specProblem, type SpecProblem } from './spec-problem.js';

type Modprobe = NonNullable<ModuleSpec['moduleLoader']>['container']['modprobe'];

/** A module is loaded either by name or by raw arguments, and a loading order begins with the module itself. */
export function validateModprobe(path: string, modprobe: Modprobe): SpecProblem[] {
  return [...validateRawArgs(path, modprobe), ...validateLoadingOrder(path, modprobe)];
}

function validateRawArgs(path: string, { moduleName, rawArgs }: Modprobe): SpecProblem[] {
  const directions = ['load', 'unload'] as const;
  const count = (direction: (typeof directions)[number]): number => rawArgs?.[direction]?.length ?? 0;
  if (isSet(moduleName)) {
    return directions
      .filter((direction) => count(direction) > 0)
      .map((direction) => {
        const field = `${path}.rawArgs.${direction}`;
        return specProblem(
          field,
          `${field} is ${quote(rawArgs?.[direction])} while ${path}.moduleName is ${quote(moduleName)}; set either moduleName or rawArgs.`,
        );
      });
  }
  return directions
    .filter((direction) => count(direction) === 0)
    .map((direction) => {
      const field = `${path}.rawArgs.${direction}`;
      return specProblem(
        field,
        `${field} is empty and ${path}.moduleName is not set; set moduleName, or both rawArgs.load and rawArgs.unload.`,
      );
    });
}

function validateLoadingOrder(path: string, { moduleName, modulesLoadingOrder: order }: Modprobe): SpecProblem[] {
  if (order === undefined) return [];
  const field = `${path}.modulesLoadingOrder`;
  const complain = (at: string, what: string): SpecProblem => specProblem(at, `${at} ${what}.`);
  return [
    ...(order.length < 2
      ? [
          complain(
            field,
            `is ${quote(order)}; expected at least two modules, ${quote(moduleName ?? 'the module')} first and then what it depends on`,
          ),
        ]
      : []),
    ...(isSet(moduleName)
      ? []
      : [complain(field, `is ${quote(order)}, which needs ${path}.moduleName; set it to the first module of the order`)]),
    ...(isSet(moduleName) && order.length > 0 && order[0] !== moduleName
      ? [complain(`${field}[0]`, `is ${quote(order[0])}; it must be ${path}.moduleName, ${quote(moduleName)}`)]
      : []),
    ...order.flatMap((name, i) => {
      const first = order.indexOf(name);
      return first < i ? [complain(`${field}[${i}]`, `is ${quote(name)} again, as ${field}[${first}]; list each module once`)] : [];
    }),
  ];
}
