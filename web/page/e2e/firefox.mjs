/** Firefox over WebDriver BiDi, which it speaks without a driver. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import WebSocket from 'ws';
import { patience } from './smoke.mjs';

/** The Firefox of this machine; FIREFOX names another. */
export function find() {
  if (process.env.FIREFOX) return process.env.FIREFOX;
  const places = process.env.PATH.split(delimiter).flatMap((folder) => ['firefox-esr', 'firefox'].map((name) => join(folder, name)));
  return [...places, '/Applications/Firefox.app/Contents/MacOS/firefox'].find(existsSync) ?? null;
}

/** A page in a new headless Firefox: `evaluate` runs an expression in it, `until` waits for one to be true. */
export async function launch(executable) {
  const profile = await mkdtemp(join(tmpdir(), 'parallax-firefox-'));
  // Nothing but the page is fetched.
  await writeFile(join(profile, 'user.js'), ['network.captive-portal-service.enabled', 'network.connectivity-service.enabled', 'browser.safebrowsing.update.enabled', 'datareporting.healthreport.uploadEnabled'].map((name) => `user_pref("${name}", false);\n`).join(''));
  const browser = spawn(executable, ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0'], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, MOZ_CRASHREPORTER_DISABLE: '1' } });
  const address = await new Promise((found, fail) => {
    let said = '';
    browser.stderr.on('data', (text) => {
      said += text;
      const [, url] = /WebDriver BiDi listening on (ws:\S+)/.exec(said) ?? [];
      if (url) found(url);
    });
    browser.on('exit', () => fail(new Error(`Firefox has ended: ${said}`)));
    setTimeout(() => fail(new Error(`Firefox does not start: ${said}`)), 60_000).unref();
  });
  const socket = new WebSocket(`${address}/session`);
  await new Promise((ready, fail) => socket.once('open', ready).once('error', fail));
  const waiting = new Map();
  const errors = [];
  socket.on('message', (text) => {
    const { id, type, result, error, message, method, params } = JSON.parse(text);
    if (method === 'log.entryAdded' && params.level === 'error') errors.push(params.text);
    const one = waiting.get(id);
    waiting.delete(id);
    if (type === 'success') one?.done(result);
    if (type === 'error') one?.fail(new Error(`${error}: ${message}`));
  });
  let next = 0;
  const call = (method, params) =>
    new Promise((done, fail) => {
      waiting.set(++next, { done, fail });
      socket.send(JSON.stringify({ id: next, method, params }));
    });
  const { capabilities } = await call('session.new', { capabilities: {} });
  await call('session.subscribe', { events: ['log.entryAdded'] });
  const { contexts } = await call('browsingContext.getTree', {});
  const context = contexts[0].context;
  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await call('script.evaluate', { expression: `(async () => JSON.stringify(await (${expression})) ?? 'null')()`, target: { context }, awaitPromise: true });
    if (exceptionDetails) throw new Error(exceptionDetails.text);
    return JSON.parse(result.value);
  };
  return {
    version: `${capabilities.browserName} ${capabilities.browserVersion}`,
    errors,
    evaluate,
    open: (url) => call('browsingContext.navigate', { context, url, wait: 'complete' }),
    until: patience(evaluate, errors),
    async close() {
      socket.close();
      browser.removeAllListeners('exit');
      const ended = new Promise((go) => browser.once('exit', go));
      browser.kill();
      await ended;
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
