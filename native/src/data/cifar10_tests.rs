use super::*;
use crate::data::tests::TempDir;

/// Records of the right size and count per class, but other images.
pub fn fake(split: Split) -> Vec<u8> {
    let mut records = vec![7; count(split) * RECORD];
    records
        .chunks_exact_mut(RECORD)
        .enumerate()
        .for_each(|(i, record)| record[0] = (i % 10) as u8);
    records
}

#[test]
fn sizes_and_counts_are_checked_before_the_digest() {
    let text = |records: &[u8]| check(records, Split::Test).unwrap_err().to_string();
    let mut records = fake(Split::Test);
    assert!(text(&records).contains("the SHA-256"));
    assert_eq!(
        text(&records[1..]),
        "the test split has 30729999 bytes, not 30730000"
    );
    records[0] = 1;
    assert!(
        text(&records).contains("[999, 1001, 1000,"),
        "{}",
        text(&records)
    );
    records[0] = 10;
    assert_eq!(
        text(&records),
        "the test split has a label 10; labels are 0 to 9"
    );
}

#[test]
fn a_damaged_cache_says_what_to_do() {
    let cache = TempDir::new("fetch-damaged");
    cache.write("cifar10/test.bin", b"half");
    let text = format!("{:#}", open(&cache.0, Split::Test).map(|_| ()).unwrap_err());
    assert!(
        text.contains("damaged; delete it") && text.contains("4 bytes"),
        "{text}"
    );
}
