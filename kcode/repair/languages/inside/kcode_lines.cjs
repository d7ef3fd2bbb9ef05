// Which lines of the project each test runs, by V8's own counters: loaded into the process that runs the tests.
// KCODE_LINES names the file that gets a line of JSON for each test, KCODE_ROOT the project, KCODE_RUNNER who runs.
'use strict';
const fs = require('fs');
const path = require('path');
const { fileURLToPath } = require('url');

const root = fs.realpathSync(process.env.KCODE_ROOT) + path.sep;
const MOST_TESTS = 150;
const LARGEST = 400000; // characters of one script

function place(url) {
  let file = url;
  try {
    file = url.startsWith('file://') ? fileURLToPath(url) : url;
  } catch {
    return '';
  }
  file = file.split('?')[0];
  if (!path.isAbsolute(file) || !file.startsWith(root)) return '';
  const inside = file.slice(root.length).split(path.sep).join('/');
  return /(^|\/)node_modules\//.test(inside) || inside.startsWith('.kcode-lines') ? '' : inside;
}

class Script {
  constructor(session, id, name, map) {
    this.name = name;
    this.functions = new Map();
    this.text = '';
    session.post('Debugger.getScriptSource', { scriptId: id }, (error, found) => {
      if (!error && found.scriptSource.length <= LARGEST) this.text = found.scriptSource;
    });
    this.map = this.text ? sourceMap(map, name) : null;
  }

  // Lines (from 1) that ran: bigger ranges are painted first, functions that are known and did not run are not.
  lines(functions) {
    const paint = new Map();
    for (const [key, range] of this.functions) paint.set(key, range);
    const inner = [];
    for (const { ranges } of functions) {
      const [whole, ...blocks] = ranges;
      const key = `${whole.startOffset}-${whole.endOffset}`;
      this.functions.set(key, { start: whole.startOffset, end: whole.endOffset, ran: 0 });
      paint.set(key, { start: whole.startOffset, end: whole.endOffset, ran: whole.count > 0 ? 1 : 0 });
      for (const one of blocks) inner.push({ start: one.startOffset, end: one.endOffset, ran: one.count > 0 ? 1 : 0 });
    }
    const all = [...paint.values(), ...inner].sort((a, b) => a.start - b.start || b.end - a.end);
    const ran = new Uint8Array(this.text.length);
    for (const one of all) ran.fill(one.ran, one.start, one.end);
    return this.numbers(ran);
  }

  numbers(ran) {
    const found = new Set();
    let line = 1;
    let column = 0;
    for (let at = 0; at < this.text.length; at += 1, column += 1) {
      const sign = this.text[at];
      if (sign === '\n') {
        line += 1;
        column = -1;
      } else if (ran[at] && !/[\s{}()[\];,]/.test(sign)) {
        const number = this.map ? this.map(line, column) : line;
        if (number) found.add(number);
        if (!this.map) {
          const end = this.text.indexOf('\n', at);
          if (end < 0) break;
          at = end - 1;
        }
      }
    }
    return [...found].sort((a, b) => a - b);
  }
}

function sourceMap(url, name) {
  if (!url) return null;
  try {
    const { SourceMap } = require('module');
    const text = url.startsWith('data:')
      ? Buffer.from(url.slice(url.indexOf(',') + 1), url.includes(';base64,') ? 'base64' : 'utf8').toString()
      : fs.readFileSync(path.resolve(root, path.dirname(name), url), 'utf8');
    const map = new SourceMap(JSON.parse(text));
    return (line, column) => {
      const entry = map.findEntry(line - 1, column);
      return entry && entry.originalLine !== undefined ? entry.originalLine + 1 : 0;
    };
  } catch {
    return null;
  }
}

function start() {
  const { Session } = require('inspector');
  const session = new Session();
  const scripts = new Map();
  session.connect();
  session.on('Debugger.scriptParsed', ({ params }) => {
    const name = place(params.url);
    if (name) scripts.set(params.scriptId, { name, map: params.sourceMapURL });
  });
  session.post('Profiler.enable');
  session.post('Debugger.enable');
  session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  let told = 0;

  function take() {
    const lines = {};
    session.post('Profiler.takePreciseCoverage', (error, found) => {
      for (const { scriptId, functions } of error ? [] : found.result) {
        const known = scripts.get(scriptId);
        if (!known) continue;
        known.script ??= new Script(session, scriptId, known.name, known.map);
        const numbers = known.script.lines(functions);
        if (numbers.length) lines[known.name] = [...new Set([...(lines[known.name] ?? []), ...numbers])];
      }
    });
    return lines;
  }

  function tell(file, titles) {
    told += 1;
    if (told > MOST_TESTS) return;
    const test = { file: place(file ?? '') || place(process.argv[1] ?? ''), titles, lines: take() };
    fs.appendFileSync(process.env.KCODE_LINES, `${JSON.stringify(test)}\n`);
  }
  return { take, tell };
}

const runner = process.env.KCODE_RUNNER;
if (runner === 'mocha') {
  let lines = null;
  module.exports.mochaHooks = {
    beforeAll() {
      lines.tell('', []);
    },
    afterEach() {
      lines.tell(this.currentTest.file, this.currentTest.titlePath());
    },
  };
  lines = start();
} else if (runner === 'jest') {
  const lines = start();
  let first = true;
  beforeEach(() => {
    if (first) lines.tell(expect.getState().testPath, []);
    first = false;
  });
  afterEach(() => {
    const state = expect.getState();
    lines.tell(state.testPath, [state.currentTestName]);
  });
} else if (runner === 'node' && process.env.NODE_TEST_CONTEXT) {
  const lines = start();
  const { afterEach, before } = require('node:test');
  before(() => lines.tell('', []));
  afterEach((context) => {
    lines.tell('', [context.name]);
  });
}
module.exports.start = start;
