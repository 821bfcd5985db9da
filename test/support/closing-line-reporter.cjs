/** Mocha's dot reporter, with what was skipped and why, and a last line that machines read. */
const { reporters } = require('mocha');

module.exports = class ClosingLineReporter extends reporters.Dot {
  epilogue() {
    super.epilogue();
    const { passes, failures } = this.stats;
    const skipped = [];
    this.runner.suite.eachTest(test => {
      if (test.isPending()) skipped.push(test.fullTitle());
    });
    if (skipped.length > 0) console.log(`skipped:\n${skipped.map(title => `  ${title}`).join('\n')}\n`);
    console.log(`${passes} passed, ${failures} failed`);
  }
};
