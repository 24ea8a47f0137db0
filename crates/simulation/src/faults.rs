//! What goes wrong, by the seed: processes die, connections are cut, database, broker and store are away for a while.

use crate::hub::Rates;
use crate::world::World;

/// How often things go wrong by themselves.
const RATES: Rates = Rates {
    commit_fails: 4,
    commit_forgotten: 4,
    call_lost: 8,
    call_forgotten: 8,
    call_repeated: 20,
    store_fails: 10,
    store_forgotten: 10,
    put_late: 6,
    message_lost: 10,
    message_repeated: 30,
    slow: 20,
    very_slow: 12,
    held: 6,
    deadly: 2,
};

/// Long enough for a lease to end, and another.
const CUT_OFF_MS_MAX: u64 = 40_000;

impl World {
    /// From now on until `window_ms` from now.
    pub(crate) fn let_things_go_wrong(&mut self, window_ms: u64, faults: u64) {
        self.hub.with(|shared| shared.rates = RATES);
        for _ in 0..faults {
            let last_ms = window_ms * 9 / 10;
            self.after_ms(0, last_ms, move |world| {
                let left_ms = window_ms.saturating_sub(u64::try_from(world.elapsed().as_millis()).unwrap_or(u64::MAX));
                world.fault(left_ms);
            });
        }
        self.after_ms(window_ms, window_ms, |world| world.hub.with(|shared| shared.rates = Rates::default()));
    }

    fn fault(&mut self, left_ms: u64) {
        let (host, scheduler) = (self.any(0, 2), self.any(0, 1));
        let (host, scheduler) = (usize::try_from(host).unwrap_or(0), usize::try_from(scheduler).unwrap_or(0));
        let lasts_ms = self.any(500, 20_000).min(left_ms.max(1));
        match self.any(0, 99) {
            0..=34 => {
                self.count("workers crashed");
                self.crash_worker(host);
            }
            35..=44 => {
                self.count("workers drained");
                self.drain_worker(host);
            }
            45..=59 => {
                self.count("schedulers crashed");
                self.crash_scheduler(scheduler);
            }
            60..=64 => {
                self.count("apis crashed");
                self.crash_api();
            }
            65..=79 => self.cut_off(host, self.any(500, CUT_OFF_MS_MAX)),
            80..=86 => self.away("database away", lasts_ms / 3, |world, away| {
                world.hub.with(|shared| shared.database_away = away);
            }),
            87..=93 => self.away("broker away", lasts_ms, |world, away| {
                world.hub.with(|shared| if away { shared.queues.away = true } else { shared.queues.returned() });
            }),
            _ => self.away("store away", lasts_ms, |world, away| {
                world.hub.with(|shared| shared.store_away = away);
            }),
        }
    }

    fn cut_off(&mut self, host: usize, lasts_ms: u64) {
        let is_slowed = self.chance(500);
        let Some(worker) = self.workers.get_mut(host) else { return };
        (worker.is_cut_off, worker.is_slowed) = (true, is_slowed);
        let life = worker.life;
        self.count("workers cut off");
        self.note(&format!("worker {host} is cut off"));
        self.after_ms(lasts_ms, lasts_ms, move |world| {
            let worker = world.workers.get_mut(host).filter(|worker| worker.life == life);
            worker.into_iter().for_each(|worker| worker.is_cut_off = false);
        });
    }

    fn away(&mut self, what: &'static str, lasts_ms: u64, switch: fn(&mut World, bool)) {
        self.count(what);
        self.note(what);
        switch(self, true);
        self.after_ms(lasts_ms, lasts_ms, move |world| {
            world.note("it is there again");
            switch(world, false);
        });
    }
}
