//! One shard.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, anyhow};

use super::Pack;
use super::images::Ready;
use crate::data::progress::Progress;
use crate::data::{Listing, OnBadImage};

/// Bytes of a file in an archive: its header, and its content in whole blocks.
fn blocks(length: usize) -> u64 {
    512 + (length as u64).next_multiple_of(512)
}

/// Bytes of an archive's end.
const END: u64 = 1024;

/// Writes the images from `first` on, as many as a shard holds, under its name once it is whole. Returns the image after the
/// last, the bytes, and the images that were skipped.
pub fn shard(
    out: &Path,
    file: &str,
    first: usize,
    ready: &mut Ready,
    arguments: &Pack,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<(usize, u64, Vec<String>)> {
    let partial = out.join(format!(".{file}.partial"));
    let cleared = |error: anyhow::Error| {
        // A partial shard is of no use, and may be what fills the disk.
        let _ = fs::remove_file(&partial);
        error
    };
    let mut write = || -> Result<(usize, u64, Vec<String>)> {
        let target = File::create(&partial)?;
        let mut archive = tar::Builder::new(BufWriter::with_capacity(1 << 20, target));
        let (mut index, mut bytes, mut skipped) = (first, END, Vec::new());
        while index < ready.source.len() {
            if stop.load(Ordering::SeqCst) {
                return Err(anyhow!(
                    "stopped after {first} of {} images; the same command goes on",
                    ready.source.len()
                ));
            }
            let Some(encoded) = ready.next() else { break };
            match encoded {
                Err(error) if arguments.on_bad_image == OnBadImage::Skip => {
                    skipped.push(error.to_string());
                }
                Err(error) => return Err(anyhow!("{error} (`--on-bad-image skip` leaves it out)")),
                Ok((content, extension)) => {
                    let label = ready.source.label(index).to_string();
                    let more = blocks(content.len()) + blocks(label.len());
                    if bytes > END && bytes + more > arguments.shard_size {
                        ready.put_back(content, extension);
                        break;
                    }
                    bytes += more;
                    let key = key(ready.listed, index);
                    append(&mut archive, &format!("{key}.{extension}"), &content)?;
                    append(&mut archive, &format!("{key}.cls"), label.as_bytes())?;
                }
            }
            progress.step();
            index += 1;
        }
        let mut target = archive.into_inner()?;
        target.flush()?;
        let target = target.into_inner()?;
        target.sync_all()?;
        if bytes == END {
            fs::remove_file(&partial)?;
            return Ok((index, 0, skipped));
        }
        fs::rename(&partial, out.join(file))?;
        Ok((index, target.metadata()?.len(), skipped))
    };
    write()
        .map_err(cleared)
        .map_err(|error| match error.downcast_ref::<std::io::Error>() {
            Some(_) => error.context(format!("{} cannot be written", out.join(file).display())),
            None => error,
        })
}

fn append(archive: &mut tar::Builder<BufWriter<File>>, name: &str, content: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    Ok(archive.append_data(&mut header, name, content)?)
}

/// The key of an image: its number, and what its file is called, without what would end a key.
fn key(listed: &Listing, index: usize) -> String {
    let name = match listed {
        Listing::Files(files) => files.key(index),
        _ => String::new(),
    };
    let last = name.rsplit('/').next().unwrap_or_default();
    let plain = |c: char| match c.is_ascii_alphanumeric() || c == '_' || c == '-' {
        true => c,
        false => '_',
    };
    let last: String = last.chars().map(plain).take(64).collect();
    match last.is_empty() {
        true => format!("{index:08}"),
        false => format!("{index:08}-{last}"),
    }
}
