//! Random sequences of what a queue does, against a map.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod spool_fixture;

use std::collections::BTreeMap;

use postern_model::queue::{Disposition, QueueChange};
use postern_model::reason::Reason;
use proptest::prelude::*;
use spool_fixture::*;

#[derive(Clone, Debug)]
enum Step {
    /// So many mails of so many octets, side by side.
    Accept(u8, usize),
    Attempt(u8, u32),
    Hold(u8),
    Done(u8),
    /// All but a few.
    DoneMost,
    Quarantine(u8),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![4 => 0..3000usize, 2 => 3000..17_000usize, 1 => 17_000..60_000usize];
    prop_oneof![
        6 => (1..12u8, size).prop_map(|(n, s)| Step::Accept(n, s)),
        3 => (any::<u8>(), any::<u32>()).prop_map(|(i, a)| Step::Attempt(i, a)),
        1 => any::<u8>().prop_map(Step::Hold),
        3 => any::<u8>().prop_map(Step::Done),
        1 => Just(Step::DoneMost),
        1 => any::<u8>().prop_map(Step::Quarantine),
        2 => Just(Step::Reopen),
    ]
}

#[derive(Clone, Debug, PartialEq)]
struct Expected {
    size: usize,
    attempts: u32,
    held: bool,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn the_spool_is_a_map_that_survives_reopening(steps in prop::collection::vec(step(), 1..60)) {
        let dir = quick_dir();
        let runtime = runtime();
        let (mut spool, _) = open(dir.path(), &small());
        let mut model: BTreeMap<u64, Expected> = BTreeMap::new();
        let mut next = 0;
        for step in steps.into_iter().chain([Step::Reopen]) {
            let pick = |i: u8| model.keys().nth(usize::from(i) % model.len().max(1)).copied();
            match step {
                Step::Accept(count, size) => {
                    let numbers: Vec<u64> = (next..next + u64::from(count)).collect();
                    next += u64::from(count);
                    runtime.block_on(async {
                        let tasks: Vec<_> = numbers.iter().map(|n| {
                            let (spool, n) = (spool.clone(), *n);
                            tokio::spawn(async move { accept(&spool, n, size).await.unwrap().mail().id })
                        }).collect();
                        for task in tasks {
                            task.await.unwrap();
                        }
                    });
                    model.extend(numbers.into_iter().map(|n| (n, Expected { size, attempts: 0, held: false })));
                }
                Step::Attempt(i, attempts) => if let Some(n) = pick(i) {
                    spool.note(id(n), delivered(n, attempts)).unwrap();
                    model.get_mut(&n).unwrap().attempts = attempts;
                },
                Step::Hold(i) => if let Some(n) = pick(i) {
                    let hold = QueueChange::Disposition(Disposition::Hold, Reason::Blocked);
                    runtime.block_on(spool.record(id(n), hold)).unwrap();
                    model.get_mut(&n).unwrap().held = true;
                },
                Step::Done(i) => if let Some(n) = pick(i) {
                    spool.note(id(n), QueueChange::Done).unwrap();
                    model.remove(&n);
                },
                Step::DoneMost => {
                    let most: Vec<u64> = model.keys().copied().filter(|n| n % 7 != 0).collect();
                    for n in most {
                        spool.note(id(n), QueueChange::Done).unwrap();
                        model.remove(&n);
                    }
                }
                Step::Quarantine(i) => if let Some(n) = pick(i) {
                    runtime.block_on(spool.quarantine_move(id(n))).unwrap();
                    let kept = spool.quarantine().read(id(n)).unwrap();
                    prop_assert!(kept.body() == content(n, model[&n].size));
                    model.remove(&n);
                },
                Step::Reopen => {
                    drop(spool);
                    let (opened, mails) = open(dir.path(), &small());
                    spool = opened;
                    let found: BTreeMap<u64, Expected> = mails.iter().map(|m| {
                        let expected = Expected {
                            size: usize::try_from(m.size).unwrap(),
                            attempts: m.recipients[0].attempts,
                            held: m.disposition == Disposition::Hold,
                        };
                        (number(m.id), expected)
                    }).collect();
                    prop_assert_eq!(&found, &model);
                    prop_assert_eq!(&spool.recovery().damage, &Vec::<String>::new());
                    for (n, expected) in &model {
                        check_body(&spool, *n, expected.size);
                        prop_assert_eq!(spool.mail(id(*n)).unwrap().recipients[0].attempts, expected.attempts);
                    }
                }
            }
        }
    }
}
