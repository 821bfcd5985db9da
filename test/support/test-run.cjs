/** One name for a whole run of the tests, which the processes that share its files inherit. */
const { rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

const isFirst = process.env.MONOSEMANTIC_TEST_RUN === undefined;
process.env.MONOSEMANTIC_TEST_RUN ??= join(tmpdir(), `monosemantic-tests-${process.pid}-${Date.now()}`);

exports.mochaGlobalTeardown = () => {
  if (isFirst) rmSync(process.env.MONOSEMANTIC_TEST_RUN, { recursive: true, force: true });
};
