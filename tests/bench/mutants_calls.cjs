// Compares two copies of a JavaScript library: `node mutants_calls.cjs ORIGINAL REPAIRED`. The original's suite
// runs once with a recorder around exported functions; what they were given, and variations of it, goes to both.
'use strict';
const fs = require('fs');
const path = require('path');
const { spawnSync } = require('child_process');
const Module = require('module');

const MOST = 400;
const [, , first, second] = process.argv;

function record(root, into) {
  const load = Module._load;
  const seen = new Map();
  const kept = [];
  const keep = (file, name, args) => {
    if (kept.length >= MOST) return;
    try {
      const text = JSON.stringify(args);
      if (text.length < 20000 && !seen.has(`${file} ${name} ${text}`)) {
        seen.set(`${file} ${name} ${text}`, true);
        kept.push([file, name, args.length, text]);
      }
    } catch {
      // what is no JSON is left out
    }
  };
  const watched = (file, name, value) =>
    new Proxy(value, { apply: (target, self, args) => (keep(file, name, args), Reflect.apply(target, self, args)) });
  const done = new Map();
  Module._load = function (request, parent, main) {
    const value = load(request, parent, main);
    let file = '';
    try {
      file = Module._resolveFilename(request, parent, main);
    } catch {
      return value;
    }
    const inside = path.relative(root, file);
    if (!path.isAbsolute(file) || inside.startsWith('..') || /node_modules|(^|\/)test/.test(inside)) return value;
    if (!done.has(file)) {
      if (typeof value === 'function' && !/^class |prototype/.test(Object.getOwnPropertyNames(value.prototype ?? {}).slice(1).join('prototype'))) {
        done.set(file, watched(inside, '', value));
      } else {
        for (const name of Object.keys(value ?? {})) {
          if (typeof value[name] === 'function') value[name] = watched(inside, name, value[name]);
        }
        done.set(file, value);
      }
    }
    return done.get(file);
  };
  process.on('exit', () => fs.writeFileSync(into, JSON.stringify(kept)));
}

function varied(value, number) {
  if (number === 0) return value;
  if (typeof value === 'string') {
    return [value.slice(1), value.slice(0, -1), `${value},${value}`, value.toUpperCase()][number % 4];
  }
  if (typeof value === 'number') return value + [1, -1, 2, 10][number % 4];
  if (Array.isArray(value)) return number % 2 ? value.slice().reverse() : value.slice(1);
  return value;
}

function replay(root, from) {
  const answers = JSON.parse(fs.readFileSync(from, 'utf8')).flatMap(([file, name, , text]) => {
    const loaded = require(path.join(root, file));
    const call = name ? loaded[name] : loaded;
    return [0, 1, 2, 3, 4].map((number) => {
      const args = JSON.parse(text).map((one, at) => varied(one, number ? number + at : 0));
      try {
        return `${file} ${name}(${JSON.stringify(args)}) = ${JSON.stringify(call(...args))}`;
      } catch (error) {
        return `${file} ${name}(${JSON.stringify(args)}) throws ${error.name}`;
      }
    });
  });
  process.stdout.write(JSON.stringify(answers));
}

if (process.env.KCODE_RECORD) {
  record(process.env.KCODE_RECORD_ROOT, process.env.KCODE_RECORD);
} else if (process.env.KCODE_REPLAY) {
  replay(first, process.env.KCODE_REPLAY);
} else {
  const calls = path.join(path.dirname(first), 'calls.json');
  const options = `--require ${__filename}`;
  const env = { ...process.env, NODE_OPTIONS: options, KCODE_RECORD: calls, KCODE_RECORD_ROOT: first };
  spawnSync(path.join(first, 'node_modules/.bin/mocha'), [], { cwd: first, env });
  if (!fs.existsSync(calls)) process.exit(0);
  const [ours, theirs] = [first, second].map((root) => {
    const done = spawnSync(process.execPath, [__filename, root], { env: { ...process.env, KCODE_REPLAY: calls }, maxBuffer: 1 << 28 });
    return JSON.parse(done.stdout.toString() || '[]');
  });
  const at = ours.findIndex((one, number) => one !== theirs[number]);
  process.stdout.write(at < 0 ? `alike on ${ours.length} calls\n` : `${theirs[at]} for ${ours[at]}\n`);
  process.exit(at < 0 ? 0 : 1);
}
