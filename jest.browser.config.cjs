/** The tests that need a Chromium: `npm run test:browser`. */
module.exports = {
  ...require('./jest.config.cjs'),
  roots: ['<rootDir>/test/browser'],
  testPathIgnorePatterns: [],
};
