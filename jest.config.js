/** One jest project per folder under test/: `--selectProjects unit` runs one. */
const project = (displayName) => ({
  displayName,
  testMatch: [`<rootDir>/test/${displayName}/**/*.test.ts`],
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  // TypeScript's NodeNext imports end in .js; the file that is there ends in .ts.
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: { '^.+\\.ts$': '@swc/jest' },
  // Tests import the sources. What must be compiled (CLI, worker processes) is started as a process from dist.
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/.tools', '<rootDir>/.demo'],
});

export default {
  projects: ['unit', 'workflow', 'replay', 'integration', 'e2e'].map(project),
};
