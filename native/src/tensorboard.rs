//! Scalars and images as TensorBoard event files, written by hand with `std` alone.
//!
//! An event file is a sequence of records in TensorFlow's TFRecord framing; each record is one protocol-buffer message
//! of type `Event`. The few fields that a curve needs are encoded here directly (field numbers as in TensorFlow's
//! `event.proto` and `summary.proto`). TensorBoard reads a file while it grows, so whole records are written at once.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// An open event file.
///
/// Events are buffered: they reach the disk on [`EventWriter::flush`] and when the writer is dropped. Only `flush` can
/// report that this failed.
#[derive(Debug)]
pub struct EventWriter {
    out: BufWriter<File>,
}

impl EventWriter {
    /// Starts a new event file in `dir`, which is created where it is missing.
    ///
    /// `wall_time` is in seconds since 1970; `host` says which machine or run wrote the file, for people. The name is
    /// `events.out.tfevents.<seconds>.<host>`, with a number behind it where that is taken: a file that exists is never
    /// changed. TensorBoard reads all files of a folder as one run, oldest name first, so a resumed run starts another
    /// file.
    pub fn create(dir: &Path, wall_time: f64, host: &str) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let host: String = host
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        // Ten digits, so that the names sort by time.
        let stem = format!("events.out.tfevents.{:010}.{host}", wall_time as u64);
        let mut number = 0u32;
        let file = loop {
            let path = dir.join(if number == 0 {
                stem.clone()
            } else {
                format!("{stem}.{number}")
            });
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => break file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 10_000 => {
                    number += 1
                }
                Err(error) => return Err(error),
            }
        };
        let mut writer = Self {
            out: BufWriter::new(file),
        };
        let mut event = event(wall_time, 0);
        bytes_field(&mut event, 3, b"brain.Event:2");
        writer.record(&event)?;
        writer.flush()?;
        Ok(writer)
    }

    /// Adds one point of the curve `tag`. `wall_time` is in seconds since 1970.
    pub fn scalar(&mut self, tag: &str, value: f32, step: i64, wall_time: f64) -> io::Result<()> {
        let mut point = Vec::new();
        bytes_field(&mut point, 1, tag.as_bytes());
        key(&mut point, 2, FIXED32);
        point.extend_from_slice(&value.to_le_bytes());
        let mut summary = Vec::new();
        bytes_field(&mut summary, 1, &point);
        let mut event = event(wall_time, step);
        bytes_field(&mut event, 5, &summary);
        self.record(&event)
    }

    /// Adds a PNG image of this width and height under `tag`.
    pub fn image(
        &mut self,
        tag: &str,
        (width, height): (u32, u32),
        png: &[u8],
        step: i64,
        wall_time: f64,
    ) -> io::Result<()> {
        let mut image = Vec::new();
        // Height, width, and three channels of colour.
        for (field, value) in [(1, u64::from(height)), (2, u64::from(width)), (3, 3)] {
            key(&mut image, field, VARINT);
            varint(&mut image, value);
        }
        bytes_field(&mut image, 4, png);
        let mut value = Vec::new();
        bytes_field(&mut value, 1, tag.as_bytes());
        bytes_field(&mut value, 4, &image);
        let mut summary = Vec::new();
        bytes_field(&mut summary, 1, &value);
        let mut event = event(wall_time, step);
        bytes_field(&mut event, 5, &summary);
        self.record(&event)
    }

    /// Hands everything so far to the operating system, where TensorBoard finds it.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// TFRecord: length, its checksum, the bytes, their checksum.
    fn record(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = (bytes.len() as u64).to_le_bytes();
        let mut record = Vec::with_capacity(bytes.len() + 16);
        record.extend_from_slice(&length);
        record.extend_from_slice(&masked_crc(&length).to_le_bytes());
        record.extend_from_slice(bytes);
        record.extend_from_slice(&masked_crc(bytes).to_le_bytes());
        self.out.write_all(&record)
    }
}

// Wire types of protocol buffers.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;
const FIXED32: u64 = 5;

/// The start of an `Event`: `wall_time` is field 1, `step` field 2.
fn event(wall_time: f64, step: i64) -> Vec<u8> {
    let mut out = Vec::new();
    key(&mut out, 1, FIXED64);
    out.extend_from_slice(&wall_time.to_le_bytes());
    key(&mut out, 2, VARINT);
    // A negative number is its 64-bit two's complement.
    varint(&mut out, step as u64);
    out
}

fn key(out: &mut Vec<u8>, field: u64, wire_type: u64) {
    varint(out, field << 3 | wire_type);
}

fn bytes_field(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    key(out, field, LENGTH_DELIMITED);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Seven bits a byte, lowest first; the top bit says that more follow.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// CRC-32C (Castagnoli) of every single byte.
const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0x82F6_3B78
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        crc >> 8 ^ CRC_TABLE[(crc as u8 ^ byte) as usize]
    })
}

/// TFRecord stores checksums rotated and shifted, so that a checksum of data with checksums in it stays useful.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xA282_EAD8)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    /// A field of a message, as far as events use them.
    #[derive(Debug, PartialEq)]
    enum Field<'a> {
        Varint(u64),
        Fixed64([u8; 8]),
        Fixed32([u8; 4]),
        Bytes(&'a [u8]),
    }

    fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
        let (head, tail) = bytes.split_at(count);
        *bytes = tail;
        head
    }

    fn read_varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let byte = take(bytes, 1)[0];
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }

    fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let key = read_varint(&mut bytes);
            let field = match key & 7 {
                0 => Field::Varint(read_varint(&mut bytes)),
                1 => Field::Fixed64(take(&mut bytes, 8).try_into().unwrap()),
                2 => {
                    let length = read_varint(&mut bytes) as usize;
                    Field::Bytes(take(&mut bytes, length))
                }
                5 => Field::Fixed32(take(&mut bytes, 4).try_into().unwrap()),
                other => panic!("wire type {other}"),
            };
            found.push((key >> 3, field));
        }
        found
    }

    fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let head = take(&mut bytes, 8);
            let length = u64::from_le_bytes(head.try_into().unwrap()) as usize;
            assert_eq!(take(&mut bytes, 4), masked_crc(head).to_le_bytes());
            let body = take(&mut bytes, length);
            assert_eq!(take(&mut bytes, 4), masked_crc(body).to_le_bytes());
            found.push(body);
        }
        found
    }

    /// A fresh folder, removed again when the test passes.
    fn in_folder(name: &str, test: impl FnOnce(&Path)) {
        let dir = std::env::temp_dir().join(format!("parallax-{name}-{}", std::process::id()));
        test(&dir);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn crc_of_known_vectors() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(b""), 0);
        // RFC 3720, B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(&[0xFF; 32]), 0x62A8_AB43);
    }

    #[test]
    fn varints() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            varint(&mut out, value);
            assert_eq!(read_varint(&mut &out[..]), value);
        }
        let mut out = Vec::new();
        varint(&mut out, 300);
        assert_eq!(out, [0xAC, 0x02]);
    }

    #[test]
    fn what_is_written_can_be_read() {
        in_folder("events", |dir| {
            let mut writer =
                EventWriter::create(&dir.join("deeper"), 1_700_000_000.5, "a host").unwrap();
            const NAME: &str = "events.out.tfevents.1700000000.a-host";
            let long = "probe/".repeat(40);
            let points = [
                ("loss", 0.25, 0),
                ("loss", f32::NAN, 1),
                (&long, -1e30, i64::MAX),
                ("loss", 0.0, -1),
            ];
            for (index, (tag, value, step)) in points.into_iter().enumerate() {
                writer.scalar(tag, value, step, 1.5 + index as f64).unwrap();
            }
            writer.flush().unwrap();

            let bytes = fs::read(dir.join("deeper").join(NAME)).unwrap();
            let records = records(&bytes);
            assert_eq!(
                fields(records[0]),
                [
                    (1, Field::Fixed64(1_700_000_000.5f64.to_le_bytes())),
                    (2, Field::Varint(0)),
                    (3, Field::Bytes(b"brain.Event:2")),
                ]
            );
            assert_eq!(records.len(), 1 + points.len());
            for (index, ((tag, value, step), record)) in
                points.into_iter().zip(&records[1..]).enumerate()
            {
                let event = fields(record);
                assert_eq!(
                    event[0],
                    (1, Field::Fixed64((1.5 + index as f64).to_le_bytes()))
                );
                assert_eq!(event[1], (2, Field::Varint(step as u64)));
                let (5, Field::Bytes(summary)) = event[2] else {
                    panic!("{event:?}")
                };
                let summary = fields(summary);
                let [(1, Field::Bytes(point))] = summary[..] else {
                    panic!("{summary:?}")
                };
                assert_eq!(
                    fields(point),
                    [
                        (1, Field::Bytes(tag.as_bytes())),
                        (2, Field::Fixed32(value.to_le_bytes()))
                    ]
                );
            }
        });
    }

    #[test]
    fn images_are_values_with_their_size() {
        in_folder("events-image", |dir| {
            let mut writer = EventWriter::create(dir, 7.0, "x").unwrap();
            writer.image("test/0", (300, 20), b"PNG", 9, 1.0).unwrap();
            drop(writer);
            let bytes = fs::read(dir.join("events.out.tfevents.0000000007.x")).unwrap();
            let event = fields(records(&bytes)[1]);
            let (5, Field::Bytes(summary)) = event[2] else {
                panic!("{event:?}")
            };
            let [(1, Field::Bytes(value))] = fields(summary)[..] else {
                panic!("{event:?}")
            };
            let [(1, Field::Bytes(b"test/0")), (4, Field::Bytes(image))] = fields(value)[..] else {
                panic!("{event:?}")
            };
            let expected = [
                (1, Field::Varint(20)),
                (2, Field::Varint(300)),
                (3, Field::Varint(3)),
                (4, Field::Bytes(b"PNG")),
            ];
            assert_eq!(fields(image), expected);
        });
    }

    #[test]
    fn an_existing_file_is_never_overwritten() {
        in_folder("taken", |dir| {
            let first = EventWriter::create(dir, 7.0, "x").unwrap();
            let second = EventWriter::create(dir, 7.9, "x").unwrap();
            drop((first, second));
            for name in ["", ".1"] {
                let file = dir.join(format!("events.out.tfevents.0000000007.x{name}"));
                assert!(file.is_file(), "{}", file.display());
            }
        });
    }
}
