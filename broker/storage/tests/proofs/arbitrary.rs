//! Recovery on anything: it never panics, keeps nothing that is not a batch in its place, and comes to rest after one run.

use crate::machine::{FOLDER, Machine, Step, run};
use mainstem_protocol::{
    model::Offset,
    records::{BatchHeader, RecordBatch},
};
use mainstem_storage::fs::SimFs;
use proptest::prelude::*;
use std::path::Path;

/// One piece of a segment file.
#[derive(Debug, Clone)]
enum Piece {
    /// The valid batch of this number, or a part of it.
    Batch(usize, usize),
    Noise(Vec<u8>),
    Zeros(usize),
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let piece = prop_oneof![
        4 => (0_usize..12).prop_map(|number| Piece::Batch(number, usize::MAX)),
        2 => (0_usize..12, 0_usize..200).prop_map(|(number, len)| Piece::Batch(number, len)),
        1 => prop::collection::vec(any::<u8>(), 0..150).prop_map(Piece::Noise),
        1 => (0_usize..150).prop_map(Piece::Zeros),
    ];
    prop::collection::vec(piece, 0..8)
}

/// Valid batches, from offset 0 on.
fn batches() -> Vec<Vec<u8>> {
    let fs = SimFs::new();
    let mut steps = vec![Step::Epoch];
    steps.extend([Step::Append(60), Step::Epoch, Step::Transactional(40), Step::Append(30)].repeat(4));
    let (knowledge, outcome) = run(&fs, &steps);
    outcome.unwrap();
    knowledge.accepted.iter().map(|bytes| bytes.to_vec()).collect()
}

fn file(pieces: &[Piece], batches: &[Vec<u8>]) -> Vec<u8> {
    let mut content = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Batch(number, len) => {
                let batch = &batches[*number];
                content.extend(&batch[..batch.len().min(*len)]);
            }
            Piece::Noise(noise) => content.extend(noise),
            Piece::Zeros(count) => content.resize(content.len() + count, 0),
        }
    }
    content
}

fn contents(machine: &Machine) -> Vec<RecordBatch> {
    machine.read_all(machine.log.offsets().log_start).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_folder_is_opened_and_opening_again_changes_nothing(
        first in pieces(),
        second in prop::option::of((0_u64..30, pieces())),
        noise in prop::collection::vec(("[a-z]{1,5}|leader-epoch-checkpoint|0{20}\\.(index|timeindex|txnindex|snapshot|producers|seal)", prop::collection::vec(any::<u8>(), 0..80)), 0..4),
    ) {
        let batches = batches();
        let fs = SimFs::new();
        let folder = Path::new(FOLDER);
        fs.install(&folder.join("00000000000000000000.log"), &file(&first, &batches)).unwrap();
        if let Some((base, pieces)) = &second {
            fs.install(&folder.join(format!("{base:020}.log")), &file(pieces, &batches)).unwrap();
        }
        for (name, content) in &noise {
            fs.install(&folder.join(name), content).unwrap();
        }
        let machine = match Machine::start(&fs) {
            Ok(machine) => machine,
            Err(error) => return Err(TestCaseError::fail(error)),
        };
        if machine.log.damage().is_some() {
            return Ok(()); // noise that looks like an old record format: not touched
        }
        let found = contents(&machine);
        let end = machine.log.offsets().log_end;
        prop_assert_eq!(found.last().map_or(machine.log.offsets().log_start.max(Offset(0)), |last| last.header().next_offset()), end);
        for batch in &found {
            prop_assert_eq!(BatchHeader::compute_crc(batch.bytes()), batch.header().crc);
        }
        drop(machine);
        let once = fs.snapshot();
        let machine = Machine::start(&fs).unwrap();
        prop_assert_eq!(contents(&machine), found);
        drop(machine);
        prop_assert_eq!(fs.snapshot(), once);
    }
}
