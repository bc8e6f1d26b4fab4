import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { defineConfig, type Plugin } from 'vite';

const here = fileURLToPath(new URL('.', import.meta.url));
/** The folder of the WASM module, which `cargo xtask wasm` builds, or another with the same interface. */
const pkg = resolve(here, process.env.PARALLAX_PKG ?? '../pkg');
/** The sample's sprites and labels. */
const samples = resolve(here, process.env.PARALLAX_SAMPLE ?? '../../crates/data/sample');

const policy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types default',
].join('; ');

/** `virtual:sample` gives the hashed addresses of the sample's four files; sprites are WebP or PNG. */
function sample(): Plugin {
  const id = 'virtual:sample';
  const sprite = (part: string): string => {
    const found = ['webp', 'png'].map((ext) => `${samples}/${part}.${ext}`).find(existsSync);
    if (!found) throw new Error(`no ${part}.webp or ${part}.png in ${samples}`);
    return found;
  };
  return {
    name: 'parallax-sample',
    resolveId: (source) => (source === id ? `\0${id}` : null),
    load(source) {
      if (source !== `\0${id}`) return null;
      const parts = ['train', 'test'].flatMap((part) => [
        `export { default as ${part}Sprite } from ${JSON.stringify(`${sprite(part)}?url`)};`,
        `export { default as ${part}Labels } from ${JSON.stringify(`${samples}/${part}.labels?url`)};`,
      ]);
      return parts.join('\n');
    },
  };
}

/** `virtual:systems` gives what the module's `systems()` returns. */
function systems(): Plugin {
  const id = 'virtual:systems';
  return {
    name: 'parallax-systems',
    resolveId: (source) => (source === id ? `\0${id}` : null),
    async load(source) {
      if (source !== `\0${id}`) return null;
      const module = await import(pathToFileURL(`${pkg}/parallax_web.js`).href);
      module.initSync({ module: readFileSync(`${pkg}/parallax_web_bg.wasm`) });
      return `export default ${JSON.stringify(module.systems())};`;
    },
  };
}

/** The module's code names its whole file by default; the page loads the halves, so that the whole one is left out of the build. */
function halves(): Plugin {
  return {
    name: 'parallax-halves',
    transform(code, id) {
      if (id !== `${pkg}/parallax_web.js`) return null;
      const whole = "new URL('parallax_web_bg.wasm', import.meta.url)";
      if (!code.includes(whole)) throw new Error('the code of the module has another form: halves() of vite.config.ts must be adapted');
      return { code: code.replace(whole, 'undefined'), map: null };
    },
  };
}

/** The content security policy goes into the built page only: the development server needs inline styles and a socket. */
function contentSecurityPolicy(): Plugin {
  return {
    name: 'parallax-content-security-policy',
    apply: 'build',
    transformIndexHtml: () => [
      { tag: 'meta', attrs: { 'http-equiv': 'Content-Security-Policy', content: policy }, injectTo: 'head-prepend' },
    ],
  };
}

/** The service worker gets the list of the page's files, and a version that changes with them. TensorFlow.js is left out. */
function offline(): Plugin {
  return {
    name: 'parallax-offline',
    apply: 'build',
    enforce: 'post',
    generateBundle(_, bundle) {
      const worker = bundle['sw.js'];
      if (worker?.type !== 'chunk') throw new Error('the build has no service worker');
      const made = Object.keys(bundle).filter((name) => name !== 'sw.js' && !name.includes('tfjs') && !name.endsWith('.map'));
      const files = [...made, ...readdirSync(`${here}/public`)].sort();
      const hash = createHash('sha256');
      for (const name of files) {
        const one = bundle[name];
        hash.update(name).update(one ? (one.type === 'chunk' ? one.code : one.source) : readFileSync(`${here}/public/${name}`));
      }
      worker.code = worker.code.replace('__FILES__', JSON.stringify(files)).replace('__VERSION__', JSON.stringify(hash.digest('hex').slice(0, 12)));
    },
  };
}

/** What makes a page cross-origin isolated, so that it may share memory with its threads. */
const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

export default defineConfig({
  base: './',
  plugins: [sample(), systems(), halves(), contentSecurityPolicy(), offline()],
  resolve: {
    alias: [
      { find: /^parallax-web$/, replacement: `${pkg}/parallax_web.js` },
      { find: /^parallax-web\/(first|relaxed_first|rest|threads_first|threads_rest)/, replacement: `${pkg}/parallax_web_$1.wasm` },
    ],
  },
  worker: { format: 'es', plugins: () => [sample(), halves()] },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { ...Object.fromEntries(['index', 'augment', 'bench'].map((name) => [name, resolve(here, `${name}.html`)])), sw: resolve(here, 'src/worker/offline.ts') },
      output: { entryFileNames: ({ name }) => (name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js') },
    },
  },
  preview: { headers },
  server: { headers, fs: { allow: [here, pkg, samples, resolve(here, '../npm/src')] } },
});
