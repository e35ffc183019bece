import tseslint from 'typescript-eslint';
import importX from 'eslint-plugin-import-x';

/** Which folder may not import which: imports run one way, api ← domain ← workflows, and the CLI is on top (docs/architecture.md). */
const FORBIDDEN_IMPORTS = [
  { target: 'src/api', above: ['src/domain', 'src/kube', 'src/registry', 'src/temporal', 'src/controller', 'src/client', 'src/cli'] },
  { target: 'src/domain', above: ['src/kube', 'src/registry', 'src/temporal', 'src/controller', 'src/client', 'src/cli'] },
  {
    target: 'src/kmod',
    above: ['src/kube', 'src/registry', 'src/temporal', 'src/controller', 'src/client', 'src/cli', 'workflows', 'activities'],
  },
  {
    target: 'src/signer',
    above: ['src/kube', 'src/registry', 'src/temporal', 'src/controller', 'src/client', 'src/cli', 'workflows', 'activities'],
  },
  { target: 'src/kube', above: ['src/registry', 'src/temporal', 'src/controller', 'src/client', 'src/cli', 'workflows', 'activities'] },
  { target: 'src/registry', above: ['src/kube', 'src/temporal', 'src/controller', 'src/client', 'src/cli', 'workflows', 'activities'] },
  { target: 'src/client', above: ['src/controller', 'src/cli'] },
  { target: 'src/{temporal,controller}', above: ['src/cli'] },
  { target: 'workflows', above: ['src/kube', 'src/registry', 'src/temporal', 'src/controller', 'src/client', 'src/cli'] },
  { target: 'activities', above: ['src/controller', 'src/client', 'src/cli'] },
  { target: 'src/{api,domain}', above: ['workflows', 'activities'] },
  { target: '{src,workflows,activities}', above: ['test', 'bench', 'tools'] },
];

const zones = FORBIDDEN_IMPORTS.map(({ target, above }) => ({
  target: `./${target}/**/*`,
  from: above.map((folder) => `./${folder}/**/*`),
  message: `${target} is below this in the one direction that imports run.`,
}));

const EFFECTS = ['@kubernetes/*', 'pino', 'pino-*', 'undici'];
const only = (group, message) => ['error', { patterns: [{ group, message }] }];

const CHANCE_AND_TIME = [
  {
    selector: "MemberExpression[object.name='Math'][property.name='random']",
    message: 'Chance comes in as an argument.',
  },
  {
    selector:
      "CallExpression[callee.object.name='Date'][callee.property.name='now'], NewExpression[callee.name='Date'][arguments.length=0]",
    message: 'Time comes in as an argument.',
  },
];

const FOCUSED_OR_SKIPPED = {
  selector: 'MemberExpression[object.name=/^(test|it|describe)$/][property.name=/^(only|skip|todo|failing)$/]',
  message: 'Every test runs.',
};

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'coverage', '.tools', '.demo', 'tools/parts'] },
  ...tseslint.configs.recommended,
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { 'import-x': importX },
    settings: {
      // Without the parser named for .ts, no-cycle reads no TypeScript file and finds nothing.
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts'] },
      'import-x/resolver-next': [importX.createNodeResolver({ extensions: ['.ts', '.js'], extensionAlias: { '.js': ['.ts', '.js'] } })],
    },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error', // an async validator of an update would accept everything
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', ignoreRestSiblings: true }],
      'import-x/no-cycle': 'error',
      'import-x/no-restricted-paths': ['error', { zones }],
      complexity: ['error', 14],
      'max-depth': ['error', 4],
      'max-params': ['error', 5],
    },
  },
  {
    files: ['src/api/**/*.ts', 'src/domain/**/*.ts'],
    rules: {
      'import-x/no-nodejs-modules': 'error',
      'no-restricted-imports': only([...EFFECTS, '@temporalio/*'], 'Pure rules: side effects arrive by injection.'),
      'no-restricted-syntax': ['error', ...CHANCE_AND_TIME],
    },
  },
  {
    files: ['workflows/**/*.ts'],
    rules: {
      'import-x/no-nodejs-modules': 'error',
      'no-restricted-imports': only(
        [...EFFECTS, '@temporalio/client', '@temporalio/worker', '@temporalio/activity'],
        'Workflow code must be deterministic: use activities.',
      ),
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            { group: ['**/activities/**'], allowTypeImports: true, message: 'The type alone: a value would pull Node into the sandbox.' },
          ],
        },
      ],
    },
  },
  { files: ['test/**/*.ts'], rules: { 'no-restricted-syntax': ['error', FOCUSED_OR_SKIPPED] } },
  { files: ['**/*.js', '**/*.mjs'], extends: [tseslint.configs.disableTypeChecked] },
);
