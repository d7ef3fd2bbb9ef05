// A reporter for mocha: one line of JSON for each event, behind a sign that no test prints by chance.
'use strict';
const { inspect } = require('util');

const shown = (value) => (typeof value === 'string' ? value : inspect(value, { depth: 4, breakLength: 100 }));
const say = (data) => process.stdout.write(`\n@@kcode ${JSON.stringify(data)}\n`);

module.exports = function Reporter(runner) {
  const ended = (status, test, more) =>
    say({ status, titles: test.titlePath(), file: test.file, ms: test.duration, ...more });
  runner.on('start', () => say({ total: runner.total }));
  runner.on('test', (test) => say({ begin: test.fullTitle() }));
  runner.on('pass', (test) => ended('passed', test));
  runner.on('pending', (test) => ended('skipped', test));
  runner.on('fail', (test, error) => {
    const said = { message: String(error?.message ?? error), stack: error?.stack };
    if (error && 'expected' in error) {
      Object.assign(said, { expected: shown(error.expected), actual: shown(error.actual) });
    }
    if (test.type === 'hook') {
      const about = test.ctx?.currentTest ?? test.parent;
      ended('failed', about, { ...said, file: about.file ?? test.file, hook: test.title });
    } else {
      ended('failed', test, said);
    }
  });
};
