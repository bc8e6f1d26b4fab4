/**
 * A fifth of the sample, for what does not depend on its size: probes and tables take most of a short run's time. Its pictures are
 * PNG, whose decoder is in the rest of the module.
 */
import { readdir, readFile } from 'node:fs/promises';

/** Side of a picture in pixels. */
const SIDE = 32;
/** Pictures in a row of the sprite, and rows that are kept. */
const PARTS = { train: [40, 10], test: [25, 4] };

/** Contents to serve instead of the built page's own, by name. */
export async function fifth(dist, browser) {
  const names = await readdir(`${dist}/assets`);
  const named = (pattern) => names.find((name) => pattern.test(name));
  const page = await browser.newPage();
  const instead = new Map();
  for (const [part, [columns, rows]] of Object.entries(PARTS)) {
    const sprite = named(new RegExp(`^${part}-.*\\.(webp|png)$`));
    const labels = named(new RegExp(`^${part}-.*\\.labels$`));
    const cut = await page.evaluate(
      async ([text, width, height]) => {
        const image = await createImageBitmap(await (await fetch(text)).blob());
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [width, height];
        canvas.getContext('2d').drawImage(image, 0, 0);
        return canvas.toDataURL('image/png').split(',')[1];
      },
      [`data:image/webp;base64,${(await readFile(`${dist}/assets/${sprite}`)).toString('base64')}`, columns * SIDE, rows * SIDE],
    );
    instead.set(`assets/${sprite}`, Buffer.from(cut, 'base64'));
    instead.set(`assets/${labels}`, (await readFile(`${dist}/assets/${labels}`)).subarray(0, columns * rows));
  }
  await page.close();
  return instead;
}
