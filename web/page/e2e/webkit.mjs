/** WebKitGTK's MiniBrowser over WebDriver, on a display of its own where there is none. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { patience } from './smoke.mjs';

const which = (name) => process.env.PATH.split(delimiter).map((folder) => join(folder, name)).find(existsSync);

/** What this machine lacks, if anything. */
export function find() {
  if (!which('WebKitWebDriver')) return 'WebKitWebDriver';
  return process.env.DISPLAY || which('Xvfb') ? null : 'display and no Xvfb';
}

/** A port of this machine that is free now. */
const freePort = () =>
  new Promise((found) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => found(port));
    });
  });

/** A display, and what ends it. */
async function display() {
  if (process.env.DISPLAY) return { name: process.env.DISPLAY, end: () => undefined };
  const server = spawn('Xvfb', ['-displayfd', '1', '-screen', '0', '1280x900x24', '-nolisten', 'tcp'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const number = await new Promise((found, fail) => {
    server.stdout.once('data', (text) => found(String(text).trim()));
    server.once('exit', () => fail(new Error('Xvfb has ended')));
    server.once('error', fail);
  });
  return { name: `:${number}`, end: () => server.kill() };
}

/** A page in a new browser: `evaluate` runs an expression in it, `until` waits for one to be true. */
export async function launch() {
  const [home, port, screen] = await Promise.all([mkdtemp(join(tmpdir(), 'parallax-webkit-')), freePort(), display()]);
  const folders = Object.fromEntries(['XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_CACHE_HOME', 'HOME'].map((name) => [name, home]));
  // The sandbox needs rights that containers do not give.
  const env = { ...process.env, ...folders, DISPLAY: screen.name, WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1', NO_AT_BRIDGE: '1', GDK_BACKEND: 'x11' };
  const driver = spawn('WebKitWebDriver', [`--port=${port}`], { stdio: ['ignore', 'ignore', 'ignore'], env });
  const call = async (method, path, body) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, ...(body ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : {}) });
    const { value } = await answer.json();
    if (!answer.ok) throw new Error(`${value.error}: ${value.message}`);
    return value;
  };
  for (const end = Date.now() + 30_000; ; ) {
    const status = await call('GET', '/status').catch(() => null);
    if (status?.ready) break;
    if (Date.now() > end) throw new Error('WebKitWebDriver does not start');
    await new Promise((go) => setTimeout(go, 100));
  }
  const { sessionId, capabilities } = await call('POST', '/session', { capabilities: { alwaysMatch: {} } });
  const session = `/session/${sessionId}`;
  await call('POST', `${session}/timeouts`, { script: 120_000, pageLoad: 120_000 });
  const errors = [];
  const evaluate = async (expression) => {
    const script = `const done = arguments[0]; (async () => JSON.stringify(await (${expression})) ?? 'null')().then((value) => done({ value }), (problem) => done({ problem: String(problem) }));`;
    const { value, problem } = await call('POST', `${session}/execute/async`, { script, args: [] });
    if (problem) throw new Error(problem);
    return JSON.parse(value);
  };
  return {
    version: `${capabilities.browserName} ${capabilities.browserVersion}`,
    errors,
    evaluate,
    open: (url) => call('POST', `${session}/url`, { url }),
    until: patience(evaluate, errors),
    async close() {
      await call('DELETE', session).catch(() => undefined);
      const ended = new Promise((go) => driver.once('exit', go));
      driver.kill();
      await ended;
      screen.end();
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
