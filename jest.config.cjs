/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  // Run by `npm run test:browser`, where there is a Chromium, and by `npm run test:drills`, alone.
  testPathIgnorePatterns: ['<rootDir>/test/browser/', '<rootDir>/test/drills/runs/'],
  // The default leaves a core idle, while most of the long tests wait.
  maxWorkers: '100%',
  transform: {
    '^.+\\.[mc]?[jt]s$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2024' }, module: { type: 'commonjs' } },
    ],
  },
  // The remark family, jose and others are published as ES modules only.
  transformIgnorePatterns: [],
};
