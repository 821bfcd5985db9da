/** Mocha's dot reporter, with what was skipped and why, and a last line that machines read. */
const { reporters } = require('mocha');

module.exports = class ClosingLineReporter extends reporters.Dot {
  #skipped = [];

  constructor(runner, options) {
    super(runner, options);
    // The tests themselves are in other processes.
    runner.on('pending', test => this.#skipped.push(test.fullTitle()));
  }

  epilogue() {
    super.epilogue();
    const { passes, failures } = this.stats;
    if (this.#skipped.length > 0) console.log(`skipped:\n${this.#skipped.map(title => `  ${title}`).join('\n')}\n`);
    console.log(`${passes} passed, ${failures} failed`);
  }
};
