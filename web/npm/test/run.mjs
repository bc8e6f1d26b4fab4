/**
 * Installs the package's tarball into an empty Vite project and into a page without a bundler; both train five steps in headless
 * Chromium, in a worker and in the page, and so does the page of docs/embedding.md: `node run.mjs TARBALL FOLDER`. The code under test is
 * the README's.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, createServer } from '../../page/node_modules/vite/dist/node/index.js';
import { launch, open } from '../../page/e2e/browser.mjs';
import { serve } from '../../page/e2e/serve.mjs';

const [tarball, folder] = process.argv.slice(2).map((path) => resolve(path));
const here = fileURLToPath(new URL('.', import.meta.url));
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

/** The JavaScript in the README, as one module. */
async function readme() {
  const text = await readFile(join(here, '../README.md'), 'utf8');
  return [...text.matchAll(/^```js\n(.*?)^```/gms)].map(([, code]) => code).join('\n');
}

/** A project with the package and nothing else. */
async function project(name, head) {
  const root = join(folder, name);
  await rm(root, { recursive: true, force: true });
  await mkdir(root, { recursive: true });
  await writeFile(join(root, 'package.json'), JSON.stringify({ name, private: true, type: 'module' }));
  const script = '<script type="module" src="./main.js"></script>';
  await writeFile(join(root, 'index.html'), `<!doctype html><meta charset="utf-8" /><title>${name}</title><link rel="icon" href="data:," />${head}${script}\n`);
  await copyFile(join(here, 'main.js'), join(root, 'main.js'));
  await writeFile(join(root, 'readme.js'), await readme());
  execFileSync(npm, ['install', '--offline', '--no-audit', '--no-fund', tarball], { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
  return root;
}

const seconds = Number(process.env.PARALLAX_E2E_TIMEOUT ?? 600);
const browser = await launch();

async function trains(name, address) {
  const context = await browser.newContext();
  const began = Date.now();
  const { page, faults } = await open(context, address);
  await page.waitForFunction(() => window.result, null, { timeout: seconds * 1000, polling: 100 });
  const result = await page.evaluate(() => window.result);
  assert.equal(result.problem, undefined);
  assert.deepEqual(faults, []);
  const { worker, here } = result;
  assert.equal(worker.losses.length, 5);
  assert.ok(worker.losses.every(Number.isFinite), `losses ${worker.losses}`);
  assert.ok(here.knn >= 0 && here.knn <= 100, `kNN accuracy ${here.knn}`);
  assert.deepEqual(worker.files.toSorted(), ['recipe.toml', 'state.json', 'training.safetensors', 'weights.safetensors']);
  assert.deepEqual([here.losses, here.files, here.digest], [worker.losses, worker.files, worker.digest], 'the same run in the page and in a worker');
  console.log(`  ok    ${name}: losses ${worker.losses.map((loss) => loss.toFixed(3)).join(', ')} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  await context.close();
  return worker.digest;
}

/** The page of docs/embedding.md, beside the installed package. */
async function embeds() {
  const text = await readFile(join(here, '../../../docs/embedding.md'), 'utf8');
  const [, html] = /^```html\n(.*?)^```/ms.exec(text);
  await writeFile(join(folder, 'plain', 'embedding.html'), html);
  const server = await serve(join(folder, 'plain'));
  const context = await browser.newContext();
  const { page, faults } = await open(context, `${server.address}embedding.html`);
  await page.waitForFunction(() => document.querySelector('[role=status]').textContent.startsWith('Done'), null, { timeout: seconds * 1000, polling: 100 });
  assert.match(await page.textContent('[role=status]'), /^Done: kNN \d+\.\d %.* \d+ bytes of weights$/);
  assert.deepEqual(faults, []);
  console.log(`  ok    docs/embedding.md: ${await page.textContent('[role=status]')}`);
  await context.close();
  server.close();
}

const digests = [];
try {
  const vite = await project('vite', '');
  const quiet = { root: vite, configFile: false, logLevel: 'warn', base: './' };
  await build(quiet);
  const built = await serve(join(vite, 'dist'));
  digests.push(await trains('a Vite project, built', built.address));
  built.close();
  const dev = await createServer({ ...quiet, base: '/', optimizeDeps: { exclude: ['parallax-web'] }, server: { host: '127.0.0.1', port: 0 } });
  await dev.listen();
  digests.push(await trains("a Vite project, by Vite's server", `http://127.0.0.1:${dev.httpServer.address().port}/`));
  await dev.close();
  const map = '<script type="importmap">{ "imports": { "parallax-web": "./node_modules/parallax-web/index.js" } }</script>';
  const plain = await serve(await project('plain', map));
  digests.push(await trains('a page without a bundler', plain.address));
  plain.close();
  await embeds();
  assert.equal(new Set(digests).size, 1, 'the same weights everywhere');
} finally {
  await browser.close();
}
