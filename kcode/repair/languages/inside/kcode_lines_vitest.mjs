// The same as kcode_lines.cjs for vitest, which loads it as a setup file of each test file.
import { createRequire } from 'node:module';
import { afterEach, beforeEach } from 'vitest';

const lines = createRequire(import.meta.url)('./.kcode-lines.cjs').start();
let first = true;

beforeEach(({ task }) => {
  if (first) lines.tell(task.file?.filepath, []);
  first = false;
});

afterEach(({ task }) => {
  const titles = [];
  for (let one = task; one && one !== task.file; one = one.suite) if (one.name) titles.unshift(one.name);
  lines.tell(task.file?.filepath, titles);
});
