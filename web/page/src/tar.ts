/** Packs and unpacks small tar archives (ustar). */
import type { CheckpointFile } from 'parallax-web';

const BLOCK = 512;
const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

export function pack(files: CheckpointFile[]): Blob {
  const text = new TextEncoder();
  const parts: BlobPart[] = [];
  for (const { name, bytes } of files) {
    const header = new Uint8Array(BLOCK);
    const put = (value: string, at: number): void => header.set(text.encode(value), at);
    const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`;
    put(name, 0);
    put(octal(0o644, 8), 100);
    put(octal(0, 8), 108);
    put(octal(0, 8), 116);
    put(octal(bytes.length, 12), 124);
    put(octal(Math.floor(Date.now() / 1000), 12), 136);
    put(' '.repeat(8), 148);
    put('0', 156);
    put('ustar\x0000', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    put(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    parts.push(header, new Uint8Array(bytes), new Uint8Array(padded(bytes.length) - bytes.length));
  }
  parts.push(new Uint8Array(2 * BLOCK));
  return new Blob(parts, { type: 'application/x-tar' });
}

export function unpack(tar: Uint8Array): CheckpointFile[] {
  const text = new TextDecoder();
  const files: CheckpointFile[] = [];
  for (let at = 0; at + BLOCK <= tar.length && tar[at] !== 0; ) {
    const field = (from: number, length: number): string =>
      text.decode(tar.subarray(at + from, at + from + length)).replace(/\0.*$/s, '').trim();
    const size = Number.parseInt(field(124, 12), 8);
    if (!Number.isFinite(size) || at + BLOCK + size > tar.length) throw new Error('the tar archive is cut short or damaged');
    const kind = field(156, 1);
    // GNU's archives have other things where ustar has a prefix of the name.
    const name = [tar[at + 262] === 0 ? field(345, 155) : '', field(0, 100)].filter(Boolean).join('/').replace(/^\.\//, '');
    if ((kind === '0' || kind === '') && name !== '') files.push({ name, bytes: tar.slice(at + BLOCK, at + BLOCK + size) });
    at += BLOCK + padded(size);
  }
  return files;
}
