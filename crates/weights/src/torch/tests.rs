//! PyTorch's own files, damaged ones and hostile ones.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;

use super::storage::Storages;
use super::*;
use crate::pickle::PickleError;
use crate::{NamedTensor, WeightFile};

const KINDS: &[u8] = include_bytes!("../../tests/pytorch/kinds.pt");
const KINDS_LEGACY: &[u8] = include_bytes!("../../tests/pytorch/kinds-legacy.pt");
const EXPECTED: &[u8] = include_bytes!("../../tests/pytorch/kinds.safetensors");
const ARRAYS: &[u8] = include_bytes!("../../tests/pytorch/arrays.pkl");
const PAPER: &[u8] = include_bytes!("../../tests/pytorch/paper.pth.tar");
const DETECTRON2: &[u8] = include_bytes!("../../tests/pytorch/detectron2-4.pkl");

fn read(bytes: &[u8]) -> Result<Vec<Found<'_>>, TorchError> {
    Container::of(bytes).unwrap().read(bytes)
}

fn reason(bytes: &[u8]) -> String {
    match read(bytes) {
        Ok(_) => panic!("it was read"),
        Err(
            TorchError::Broken(reason) | TorchError::Pickle(PickleError::Broken { reason, .. }),
        ) => reason,
        Err(TorchError::Pickle(PickleError::Refused { global })) => global,
    }
}

#[test]
fn dtypes_strides_and_shared_storages_are_pytorchs() {
    let expected = WeightFile::from_bytes("kinds", EXPECTED).unwrap();
    for bytes in [KINDS, KINDS_LEGACY] {
        let found = read(bytes).unwrap();
        assert_eq!(found.len(), expected.tensors.len() + 1);
        for Found { name, view } in found {
            if name == "complex" {
                let reason = view.unwrap_err();
                assert!(reason.contains("ComplexFloatStorage"), "{reason}");
                continue;
            }
            let (view, expected) = (view.unwrap(), &expected.tensors[&name]);
            assert_eq!(view.shape, expected.shape, "{name}");
            assert_eq!(view.values(), expected.values, "{name}");
            assert_eq!(view.dtype.is_integer(), expected.integer, "{name}");
        }
    }
}

#[test]
fn dtypes_have_their_values() {
    let values = |name: &str| -> Vec<f32> {
        let found = read(KINDS).unwrap();
        let found = found.into_iter().find(|found| found.name == name).unwrap();
        found.view.unwrap().values()
    };
    assert_eq!(values("f64"), [1.5, -2.25]);
    assert_eq!(values("f16"), [1.5, -2.25, 1023.0 / 16_777_216.0, 65504.0]);
    assert_eq!(values("bf16"), [1.5, -2.25, 3.004_055_3e38]);
    assert_eq!(values("i64"), [16_777_216.0, -5.0]);
    assert_eq!(values("i16"), [300.0, -300.0]);
    assert_eq!(values("u8"), [0.0, 255.0]);
    assert_eq!(values("bool"), [1.0, 0.0]);
    assert_eq!(values("shared_strided"), [1.0, 4.0, 7.0]);
    assert_eq!(values("transposed")[..4], [0.0, 4.0, 8.0, 12.0]);
}

#[test]
fn numpys_arrays_in_either_order() {
    let found = read(ARRAYS).unwrap();
    let values: Vec<_> = found
        .into_iter()
        .map(|found| {
            (
                found.name,
                found.view.map(|view| (view.shape.clone(), view.values())),
            )
        })
        .collect();
    let counted: Vec<f32> = (0..24u8).map(f32::from).collect();
    assert_eq!(
        values[0],
        ("fortran".to_string(), Ok((vec![2, 3, 4], counted)))
    );
    assert_eq!(values[1].1, Ok((vec![3], vec![0.0, 1.0, 2.0])));
    assert!(values[2].1.as_ref().unwrap_err().contains("big-endian"));
}

#[test]
fn no_prefix_of_a_file_is_a_file() {
    for bytes in [KINDS, KINDS_LEGACY, DETECTRON2] {
        for length in 14..bytes.len() - 1 {
            assert!(
                read(&bytes[..length]).is_err(),
                "{length} of {}",
                bytes.len()
            );
        }
    }
}

#[test]
fn a_damaged_entry_is_named() {
    let mut bytes = PAPER.to_vec();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    let reason = reason(&bytes);
    assert!(
        reason.contains("/data/") && reason.contains("damaged"),
        "{reason}"
    );
}

#[test]
fn what_would_call_python_is_refused_by_name() {
    for (bytes, name) in [
        (
            &b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R."[..],
            "posix.system",
        ),
        (b"\x80\x02c__builtin__\neval\n.", "__builtin__.eval"),
        (b"\x80\x02(ios\nsystem\n.", "os.system"),
        (
            b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93.",
            "builtins.exec",
        ),
        (
            b"\x80\x02cnumpy.testing._private.utils\nrunstring\n.",
            "numpy.testing._private.utils.runstring",
        ),
        (b"\x80\x02ctorch\nload\n.", "torch.load"),
        (b"\x80\x02ctorch.hub\nload\n.", "torch.hub.load"),
        (b"\x80\x02cbuiltins\ngetattr\n.", "builtins.getattr"),
    ] {
        assert_eq!(reason(bytes), name);
    }
}

#[test]
fn values_that_contain_themselves_end() {
    // A list in itself, under a memo.
    assert!(reason(b"\x80\x02]q\x00h\x00a.").contains("nested without end"));
    // Forty lists, each twice the one before: 2^40 paths.
    let mut bytes = vec![0x80, 2, b'N', b'q', 0];
    for place in 0..40u8 {
        bytes.extend([b'(', b'h', place, b'h', place, b'l', b'q', place + 1]);
    }
    bytes.push(b'.');
    assert!(reason(&bytes).contains("nested without end"));
    // Twenty of them are within depth; the number of visits bounds them.
    let mut bytes = vec![0x80, 2, b'N', b'q', 0];
    for place in 0..30u8 {
        bytes.extend([b'(', b'h', place, b'h', place, b'l', b'q', place + 1]);
    }
    bytes.push(b'.');
    assert!(reason(&bytes).contains("nested without end"));
}

#[test]
fn lengths_are_checked_before_anything_is_allocated() {
    for bytes in [
        &b"\x80\x02X\xff\xff\xff\xffa."[..],
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xffa.",
        b"\x80\x04\x96\xff\xff\xff\xff\xff\xff\xff\x7fa.",
        b"\x80\x02\x8b\xff\xff\xff\x7fa.",
    ] {
        assert!(reason(bytes).contains("ends in the middle"));
    }
}

#[test]
fn what_is_written_is_read_again() {
    let tensors = [
        NamedTensor::new("a.weight", vec![2, 3], (0..6u8).map(f32::from).collect()),
        NamedTensor::new("empty", vec![0, 3], Vec::new()),
        NamedTensor::new("scalar", Vec::new(), vec![2.5]),
        NamedTensor::counter("count", 123_456),
    ];
    let file = WeightFile::new("w", tensors.to_vec());
    for bytes in [
        file.to_torch_bytes().unwrap(),
        file.to_detectron2_bytes().unwrap(),
    ] {
        let found: Vec<NamedTensor> = read(&bytes)
            .unwrap()
            .into_iter()
            .map(|found| {
                let view = found.view.unwrap();
                NamedTensor {
                    name: found.name.trim_start_matches("model.").to_string(),
                    values: view.values(),
                    integer: view.dtype.is_integer(),
                    shape: view.shape,
                }
            })
            .collect();
        assert!(found.iter().eq(file.tensors.values()), "{found:?}");
    }
}

/// A pickle with some of its bytes changed, and some repeated or cut out.
fn damage(
    bytes: &[u8],
    changes: &[(prop::sample::Index, u8)],
    cut: &[prop::sample::Index; 3],
) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, value) in changes {
        let at = at.index(bytes.len());
        bytes[at] = *value;
    }
    let [from, to, place] = cut.map(|index| index.index(bytes.len()));
    let piece = bytes[from.min(to)..from.max(to)].to_vec();
    match place % 3 {
        0 => bytes,
        1 => [&bytes[..place], &piece[..], &bytes[place..]].concat(),
        _ => [&bytes[..from.min(to)], &bytes[from.max(to)..]].concat(),
    }
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec(any::<(prop::sample::Index, u8)>(), 0..8)
}

/// Reads all that can be read of what was found.
fn unpack(found: Result<Vec<Found<'_>>, TorchError>) {
    for found in found.into_iter().flatten() {
        if let Ok(view) = found.view
            && view.count().is_some_and(|count| count < 1 << 20)
        {
            assert_eq!(Some(view.values().len()), view.count());
        }
    }
}

/// What the archive's pickle describes, with another pickle in its place.
fn with_pickle(archive: &[u8], change: impl Fn(&[u8]) -> Vec<u8>) {
    let entries = zip::read(archive).unwrap();
    let (pickle, storages) = Storages::of_archive(&entries).unwrap();
    let pickle = change(pickle);
    if let Ok((pickle, _)) = parse(&pickle, 0) {
        let mut keep: Vec<(&str, &[u8])> = Vec::new();
        for node in pickle.nodes() {
            if let crate::pickle::Node::Persistent(id) = node
                && let Ok(reference) = storage::reference(&pickle, *id)
                && let Some((name, bytes)) = entries
                    .iter()
                    .find(|(name, _)| name.ends_with(&format!("/data/{}", reference.key)))
            {
                keep.push((&name[name.len() - reference.key.len()..], bytes));
            }
        }
        unpack(tree::tensors(
            &pickle,
            &Storages::new(keep.into_iter().collect()),
        ));
    }
    drop(storages);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_an_error_or_tensors(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for start in [&b""[..], b"\x80\x02", b"PK\x03\x04", &KINDS_LEGACY[..60]] {
            let bytes = [start, &bytes].concat();
            if let Some(container) = Container::of(&bytes) {
                unpack(container.read(&bytes));
            }
            let _ = crate::Import::read("any", &bytes);
        }
    }

    #[test]
    fn instructions_in_any_order(codes in prop::collection::vec(prop::sample::select(
        b"(.012FIJKLMNPQRSTUVXabcdeghijlopqrstu]}){\x80\x81\x85\x86\x87\x88\x89\x8a\x8cBC\x8f\x90\x91\x92\x93\x94\x01\x02\n".to_vec()), 0..200))
    {
        let bytes = [b"\x80\x02", &codes[..]].concat();
        unpack(Container::Plain.read(&bytes));
    }

    #[test]
    fn a_changed_pickle(changes in changes(), cut in any::<[prop::sample::Index; 3]>()) {
        unpack(Container::Plain.read(&damage(DETECTRON2, &changes, &cut)));
        unpack(Container::Legacy.read(&damage(KINDS_LEGACY, &changes, &cut)));
        with_pickle(KINDS, |pickle| damage(pickle, &changes, &cut));
    }

    #[test]
    fn a_changed_archive(changes in changes(), cut in any::<[prop::sample::Index; 3]>()) {
        unpack(Container::Zip.read(&damage(KINDS, &changes, &cut)));
        // Its list of contents, where its structure is.
        let (front, list) = KINDS.split_at(KINDS.len() - 1200);
        unpack(Container::Zip.read(&[front, &damage(list, &changes, &cut)].concat()));
    }
}
