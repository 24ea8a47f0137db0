//! Chains of backups cross between Emberkeep and stock Cinder's own driver, both ways, without one differing byte.
//!
//! Every chain comes from a seed of its own. A failure names it; as `EMBERKEEP_TEST_SEED` it makes that chain the first.

mod stock_chains {
    pub(crate) mod bench;
    pub(crate) mod plan;
}

mod real {
    use anyhow::{Context, Result};
    use engine::Layer;

    use super::stock_chains::bench::{Bench, Target};
    use super::stock_chains::plan::{ChainPlan, Maker, Seed};

    const CHAINS: u64 = 200;
    const MIXED_CHAINS: u64 = 50;
    const SWIFT_CHAINS: u64 = 6;

    /// Makes and checks `count` chains, each of its own seed.
    fn run(mut bench: Bench, count: u64, maker: Maker, check: fn(&mut Bench, &ChainPlan, &[Layer]) -> Result<()>) {
        let seed = Seed::from_environment();
        println!("EMBERKEEP_TEST_SEED={seed}");
        for number in 0..count {
            let seed = seed.chain(number);
            let plan = ChainPlan::random(seed, maker);
            let outcome = bench.make(&plan).and_then(|layers| {
                check(&mut bench, &plan, &layers)?;
                bench.delete(&plan, &layers)
            });
            let context = || format!("chain {number}, EMBERKEEP_TEST_SEED={seed}: {plan}");
            outcome.with_context(context).unwrap_or_else(|error| panic!("{error:?}"));
        }
    }

    /// A single full backup goes to a new volume, too. Of chains only the existing volume is asked: releases of stock
    /// Cinder leave stale data behind where a block became zero in an incremental (contract §3.7).
    fn through_stock(bench: &mut Bench, plan: &ChainPlan, layers: &[Layer]) -> Result<()> {
        for length in plan.restored_lengths() {
            bench.restore_by_stock(plan, &layers[..length], Target::Dirty)?;
        }
        bench.restore_by_stock(plan, &layers[..1], Target::New)
    }

    fn through_us(bench: &mut Bench, plan: &ChainPlan, layers: &[Layer]) -> Result<()> {
        for length in plan.restored_lengths() {
            bench.restore_by_us(plan, &layers[..length], Target::Dirty)?;
            bench.restore_by_us(plan, &layers[..length], Target::New)?;
        }
        Ok(())
    }

    fn through_both(bench: &mut Bench, plan: &ChainPlan, layers: &[Layer]) -> Result<()> {
        through_stock(bench, plan, layers)?;
        through_us(bench, plan, layers)
    }

    #[test]
    fn chains_of_ours_restore_through_stock() {
        run(Bench::posix().unwrap(), CHAINS, Maker::Ours, through_stock);
    }

    #[test]
    fn chains_of_stock_restore_through_us() {
        run(Bench::posix().unwrap(), CHAINS, Maker::Stock, through_us);
    }

    #[test]
    fn chains_of_both_restore_through_both() {
        run(Bench::posix().unwrap(), MIXED_CHAINS, Maker::Either, through_both);
    }

    #[test]
    fn chains_in_swift_restore_through_both() {
        run(Bench::swift(5 << 30).unwrap(), SWIFT_CHAINS, Maker::Either, through_both);
    }

    #[test]
    fn hashes_in_segments_are_read_by_stock_and_go_with_their_backup() {
        let seed = Seed::from_environment();
        println!("EMBERKEEP_TEST_SEED={seed}");
        let mut bench = Bench::swift(1 << 20).unwrap();
        let plan = ChainPlan::with_many_hashes(seed);
        let layers = bench.make(&plan).unwrap();
        for layer in layers.iter().take(2) {
            let traces = bench.traces(layer).unwrap();
            let segments = traces.iter().filter(|name| !name.starts_with(&layer.prefix)).count();
            assert!(segments > 1, "the hashes of our backups are not in segments: {traces:?}");
        }
        through_both(&mut bench, &plan, &layers).unwrap();
        bench.delete_by_us(&plan, &layers).unwrap();
        for layer in &layers {
            assert_eq!(bench.traces(layer).unwrap(), [""; 0], "something is left");
        }
    }

    #[test]
    fn documents_of_a_full_backup_are_stocks_byte_for_byte() {
        let seed = Seed::from_environment();
        println!("EMBERKEEP_TEST_SEED={seed}");
        let mut bench = Bench::posix().unwrap();
        for number in 0..20 {
            let plan = ChainPlan::plain(seed.chain(number));
            bench.compare_documents(&plan.layers[0], plan.block_size).unwrap();
        }
    }
}
