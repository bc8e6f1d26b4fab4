/**
 * End to end in Chromium on the built page: `npm run build && npm run e2e [PART...]`.
 * A part is a file's number or name, as in `npm run e2e 2` or `npm run e2e own`. Screenshots go to `e2e/shots/`.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { launch } from './browser.mjs';
import { serve } from './serve.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const dist = fileURLToPath(new URL('../dist', import.meta.url));
if (!existsSync(`${dist}/index.html`)) throw new Error('the page is not built: npm run build');
await mkdir(`${here}/shots`, { recursive: true });

const wanted = process.argv.slice(2);
const parts = (await readdir(here)).filter((name) => /^\d-.*\.mjs$/.test(name)).sort();
const server = await serve(dist);
let failed = 0;

async function check(name, work) {
  const began = Date.now();
  await work();
  console.log(`  ok    ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
}

for (const part of parts.filter((name) => wanted.length === 0 || wanted.some((one) => name.includes(one)))) {
  const { default: run, title } = await import(`./${part}`);
  console.log(title);
  const browser = await launch();
  const shot = (page, name, options = {}) => page.screenshot({ path: `${here}/shots/${name}.png`, ...options });
  try {
    await run({ browser, address: server.address, shot, check });
  } catch (problem) {
    failed++;
    console.log(`  FAIL  ${problem.stack ?? problem}`);
    const page = browser.contexts().at(-1)?.pages().at(-1);
    if (page) await shot(page, `failed-${part.replace('.mjs', '')}`, { fullPage: true }).catch(() => undefined);
  }
  await browser.close();
}

server.close();
console.log(failed ? `${failed} failed` : 'all passed');
process.exitCode = failed ? 1 : 0;
