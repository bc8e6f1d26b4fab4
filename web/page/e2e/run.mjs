/**
 * End to end in Chromium on the built page: `npm run build && npm run e2e [-- --slow] [PART...]`.
 * A part is a file's number or name, as in `npm run e2e 2` or `npm run e2e own`. `--slow` runs those of `slow/` instead: long ones
 * that quicker ones cover in part. Screenshots go to `e2e/shots/`.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { launch } from './browser.mjs';
import { fifth } from './sample.mjs';
import { serve } from './serve.mjs';

/** Parts that run in parallel: a part mostly waits for one thread. */
const LANES = 2;

const here = fileURLToPath(new URL('.', import.meta.url));
const dist = fileURLToPath(new URL('../dist', import.meta.url));
if (!existsSync(`${dist}/index.html`)) throw new Error('the page is not built: npm run build');
await mkdir(`${here}/shots`, { recursive: true });

const slow = process.argv.includes('--slow');
const wanted = process.argv.slice(2).filter((one) => one !== '--slow');
const folder = slow ? `${here}slow/` : here;
const parts = (await readdir(folder)).filter((name) => /^\d+-.*\.mjs$/.test(name)).sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
const server = await serve(dist);
const cutter = await launch();
/** For parts that export `small`. */
const smallServer = await serve(dist, await fifth(dist, cutter));
await cutter.close();
let failed = 0;

/** Runs one part in its own browser; its lines are printed together at its end, because parts run in parallel. */
async function run(part) {
  const start = Date.now();
  const { default: work, title, small = false } = await import(`${folder}${part}`);
  const lines = [title];
  const say = (line) => lines.push(`    ${line}`);
  const check = async (name, work) => {
    const began = Date.now();
    await work();
    lines.push(`  ok    ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  };
  const browser = await launch();
  const shot = (page, name, options = {}) => page.screenshot({ path: `${here}/shots/${name}.png`, ...options });
  try {
    await work({ browser, address: (small ? smallServer : server).address, shot, check, say });
  } catch (problem) {
    failed++;
    lines.push(`  FAIL  ${problem.stack ?? problem}`);
    const page = browser.contexts().at(-1)?.pages().at(-1);
    if (page) await shot(page, `failed-${part.replace('.mjs', '')}`, { fullPage: true }).catch(() => undefined);
  }
  await browser.close();
  lines[0] += ` (${((Date.now() - start) / 1000).toFixed(0)} s)`;
  console.log(lines.join('\n'));
}

/** Runs parts until none is left. */
async function lane() {
  for (let part = waiting.shift(); part; part = waiting.shift()) await run(part);
}

const names = (part, one) => (/^\d+$/.test(one) ? part.startsWith(`${one}-`) : part.includes(one));
const waiting = parts.filter((part) => wanted.length === 0 || wanted.some((one) => names(part, one)));
await Promise.all(Array.from({ length: Math.min(LANES, availableParallelism()) }, lane));
server.close();
smallServer.close();
console.log(failed ? `${failed} failed` : 'all passed');
process.exitCode = failed ? 1 : 0;
