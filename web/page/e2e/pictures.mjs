/**
 * Pictures of the page's main states, which a run of MoCo v2+ on the CPU reaches: `npm run build && npm run pictures [-- FOLDER [STEPS]]`.
 * Without a folder those of the README go to `docs/images`; with one, every state goes there at every width, light and dark. The
 * committed ones are reduced to 256 colours:
 * `python -c "from PIL import Image; import sys; [Image.open(p).convert('RGB').quantize(256).save(p, optimize=True) for p in sys.argv[1:]]" docs/images/page*.png`.
 */
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launch, open } from './browser.mjs';
import { serve } from './serve.mjs';
import { states } from './states.mjs';

const [folder, steps = '400'] = process.argv.slice(2);
const into = folder ? resolve(folder) : fileURLToPath(new URL('../../../docs/images', import.meta.url));
/** State and name of the README's pictures. */
const README = { done: 'page', representation: 'page-representation', augmentations: 'page-augmentations' };
const WIDTHS = [1440, 1024, 768, 360];
const SCHEMES = ['light', 'dark'];
const HEIGHT = 900;

/** Curves and colours may still be changing. */
const SETTLED = 500;

async function picture(page, part, path) {
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.waitForTimeout(SETTLED);
  await (part ? page.locator(part).screenshot({ path }) : page.screenshot({ path, fullPage: folder !== undefined }));
}

await mkdir(into, { recursive: true });
const server = await serve(fileURLToPath(new URL('../dist', import.meta.url)));
const browser = await launch();
const context = await browser.newContext({ viewport: { width: 1280, height: HEIGHT }, colorScheme: 'light' });
const { page } = await open(context, `${server.address}?method=moco-v2-plus&device=cpu&seed=0&steps=${steps}`);
for (const { name, part, reach } of states(server.address, Number(steps))) {
  await reach(page);
  if (!folder) {
    if (README[name]) await picture(page, part, `${into}/${README[name]}.png`);
    continue;
  }
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: HEIGHT });
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme });
      await picture(page, part, `${into}/${name}-${width}-${colorScheme}.png`);
    }
  }
  await page.setViewportSize({ width: 1280, height: HEIGHT });
  await page.emulateMedia({ colorScheme: 'light' });
  console.log(name);
}
await browser.close();
server.close();
