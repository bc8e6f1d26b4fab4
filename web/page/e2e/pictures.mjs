/**
 * The pictures of the README: `npm run build && npm run pictures`. Trains MoCo v2+ on the CPU for 400 steps and writes a
 * screenshot to `docs/images/page.png`. The committed one is reduced to 256 colours:
 * `python -c "from PIL import Image; p = 'docs/images/page.png'; Image.open(p).convert('RGB').quantize(256).save(p, optimize=True)"`.
 */
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { launch, open } from './browser.mjs';
import { serve } from './serve.mjs';
import { start, table } from './steps.mjs';

const folder = fileURLToPath(new URL('../../../docs/images', import.meta.url));
await mkdir(folder, { recursive: true });
const server = await serve(fileURLToPath(new URL('../dist', import.meta.url)));
const browser = await launch();
const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: 'light' });
const { page } = await open(context, `${server.address}?method=moco-v2-plus&device=cpu&seed=0&steps=400`);
await start(page);
await table(page);
await page.evaluate(() => window.scrollTo(0, 0));
await page.waitForTimeout(500);
await page.screenshot({ path: `${folder}/page.png` });
await browser.close();
server.close();
