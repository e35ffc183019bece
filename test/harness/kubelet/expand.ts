/**
 * Replaces `$(NAME)` by the variable's value; a name that is not known stays as it stands, and `$$` is one dollar sign.
 * Source: Kubernetes API, Container.command, Container.args and EnvVar.value.
 */
export const expand = (text: string, variables: ReadonlyMap<string, string>): string =>
  text.replace(/\$(\$|\(([^)]*)\))/g, (whole: string, what: string, name: string | undefined) =>
    what === '$' ? '$' : (variables.get(name ?? '') ?? whole),
  );
