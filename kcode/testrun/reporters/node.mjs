// A reporter for `node --test`: one line of JSON for each event, behind a sign that no test prints by chance.
import { inspect } from 'node:util';

const shown = (value) => (typeof value === 'string' ? value : inspect(value, { depth: 4, breakLength: 100 }));
const say = (data) => `\n@@kcode ${JSON.stringify(data)}\n`;

function told(error) {
  const cause = error?.cause instanceof Object ? error.cause : {};
  const said = { kind: error?.failureType, message: cause.message ?? error?.message, stack: cause.stack };
  if (error?.exitCode || error?.signal) {
    said.message = `the file's process ended with ${error.signal || `exit code ${error.exitCode}`}`;
  }
  if ('expected' in cause) Object.assign(said, { expected: shown(cause.expected), actual: shown(cause.actual) });
  return said;
}

export default async function* report(source) {
  const open = new Map(); // of each file: the names of the tests around the one that runs
  for await (const { type, data } of source) {
    const names = open.get(data?.file) ?? [];
    if (type === 'test:start') {
      open.set(data.file, [...names.slice(0, data.nesting), data.name]);
    } else if (type === 'test:stdout' || type === 'test:stderr') {
      yield say({ file: data.file, out: data.message });
    } else if (type === 'test:pass' || type === 'test:fail') {
      const left = data.skip || data.skip === '' || data.todo || data.todo === '';
      yield say({
        status: left ? 'skipped' : type === 'test:pass' ? 'passed' : 'failed',
        name: data.name,
        parents: names.slice(0, data.nesting),
        file: data.file,
        line: data.line,
        suite: data.details?.type === 'suite',
        why: typeof data.skip === 'string' ? data.skip : '',
        ms: data.details?.duration_ms,
        ...(type === 'test:fail' ? told(data.details?.error) : {}),
      });
    }
  }
}
