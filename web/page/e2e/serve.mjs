/** A small static server on 127.0.0.1: what any static host does, without special headers unless a test asks for them. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.webmanifest': 'application/manifest+json',
};

/** Makes a page cross-origin isolated, so that it may have threads. */
export const ISOLATED = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };

/** Serves `folder`, with other contents for the names in `instead`, below `/some/where/`, so that a page with absolute addresses would fail. */
export async function serve(folder, instead = new Map(), headers = {}) {
  const base = '/some/where/';
  const server = createServer(async (request, answer) => {
    const path = decodeURIComponent(new URL(request.url, 'http://x').pathname);
    const file = path.startsWith(base) ? join(folder, normalize(`/${path.slice(base.length) || 'index.html'}`)) : '';
    const type = TYPES[extname(file)] ?? 'application/octet-stream';
    try {
      const other = instead.get(path.slice(base.length));
      if (other !== undefined) return answer.writeHead(200, { 'content-type': type, ...headers }).end(other);
      if (!(await stat(file)).isFile()) throw new Error('not a file');
      answer.writeHead(200, { 'content-type': type, ...headers });
      createReadStream(file).pipe(answer);
    } catch {
      answer.writeHead(404).end();
    }
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return { address: `http://127.0.0.1:${server.address().port}${base}`, close: () => server.close() };
}
