/** Drills, which need the machine for themselves: `npm run test:drills`. */
module.exports = {
  ...require('./jest.config.cjs'),
  roots: ['<rootDir>/test/drills/runs'],
  testPathIgnorePatterns: [],
  maxWorkers: 1,
};
