/** Generated PNG pictures. */
import { deflateSync } from 'node:zlib';

function crc(bytes) {
  let sum = ~0;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}

function chunk(kind, content) {
  const body = Buffer.concat([Buffer.from(kind), content]);
  const [size, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  size.writeUInt32BE(content.length);
  sum.writeUInt32BE(crc(body));
  return Buffer.concat([size, body, sum]);
}

/** A square picture with a colour gradient from a seed. */
export function png(side, seed) {
  const rows = [];
  for (let y = 0; y < side; y++) {
    const row = Buffer.alloc(1 + 3 * side);
    for (let x = 0; x < side; x++) {
      row[1 + 3 * x] = (seed * 53 + x * 3) % 256;
      row[2 + 3 * x] = (seed * 101 + y * 3) % 256;
      row[3 + 3 * x] = (seed * 151 + ((x >> 3) ^ (y >> 3)) * 40) % 256;
    }
    rows.push(row);
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(side, 0);
  head.writeUInt32BE(side, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const mark = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  return Buffer.concat([mark, chunk('IHDR', head), chunk('IDAT', deflateSync(Buffer.concat(rows))), chunk('IEND', Buffer.alloc(0))]);
}
