/** Upstream's selector: every label equal; an empty selector matches every cluster. */
export const matchesLabels = (selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean =>
  Object.entries(selector).every(([key, value]) => labels[key] === value);
