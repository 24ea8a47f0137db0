//! What is noted while a simulation runs, and what must hold at every step of it.

use domain::{BackupId, Result, VolumeId};
use proto::worker::claim_response::Answer;
use proto::worker::finish_request::Outcome;
use proto::worker::job::Work;
use proto::worker::scheduler_command::Command;
use proto::worker::{
    BeginBackupRequest, BeginBackupResponse, ClaimRequest, ClaimResponse, FinishRequest, FinishResponse,
    SchedulerCommand,
};

use crate::hub::Life;
use crate::leases::JobKey;
use crate::pool::Content;
use crate::services::LEASE_SECS;
use crate::world::World;

/// How long nobody may wonder where a message is that no broker has taken.
const FORGOTTEN_SECS: i64 = 50;

const RESTORED: &str = "SELECT id, generation FROM jobs WHERE kind = 'backup_restore' AND state = 'succeeded'";

impl World {
    pub(crate) fn claimed(&mut self, life: Life, request: &ClaimRequest, result: &Result<ClaimResponse>) {
        let old = self.clients.old_claims.insert(request.job_id.clone(), (life, request.clone()));
        if let Some((life, old)) = old.filter(|(_, old)| old.generation < request.generation) {
            self.after_ms(0, 300, move |world| world.claim_again(life, old));
        }
        let Ok(ClaimResponse { answer: Some(Answer::Job(spec)) }) = result else { return };
        if spec.generation != request.generation {
            let text = format!("job {} was claimed as {}, and is {}", spec.id, request.generation, spec.generation);
            self.hub.with(|shared| shared.violated(text));
        }
        self.hub.with(|shared| {
            let now = shared.now;
            if let Err(text) = shared.leases.claimed(life, spec, now, now.plus_secs(i64::from(LEASE_SECS))) {
                shared.violated(text);
            }
        });
        self.repeat_old_begin(&spec.id, spec.generation);
    }

    /// What an earlier generation has asked once comes again, now that a later one has begun.
    fn repeat_old_begin(&mut self, job: &str, generation: i64) {
        let Some((life, old)) = self.clients.old_begins.get(job).cloned() else { return };
        if old.generation < generation {
            self.after_ms(0, 300, move |world| world.begin_again(life, old));
        }
    }

    pub(crate) fn begun(&mut self, life: Life, request: &BeginBackupRequest, result: &Result<BeginBackupResponse>) {
        let job = request.job_id.clone();
        let key = (job.clone(), request.generation);
        let is_dead = self.hub.with(|shared| shared.leases.is_dead(&key));
        if !is_dead {
            self.clients.old_begins.insert(job.clone(), (life, request.clone()));
        }
        let Ok(place) = result else { return };
        let stands = self.clients.places.entry(job.clone()).or_insert_with(|| place.prefix.clone()).clone();
        self.hub.with(|shared| {
            if is_dead {
                shared.violated(format!("the dead generation {} of job {job} was told where to write", key.1));
            } else if stands != place.prefix {
                shared.violated(format!("job {job} was to write under {stands}, and now under {}", place.prefix));
            }
            shared.leases.begun(life, key, &place.prefix);
        });
    }

    pub(crate) fn finished(&mut self, _life: Life, request: &FinishRequest, result: &Result<FinishResponse>) {
        let key = (request.job_id.clone(), request.generation);
        self.hub.with(|shared| shared.leases.reported(&key));
        let accepted = matches!(result, Ok(response) if response.accepted);
        if accepted && self.hub.with(|shared| shared.leases.is_dead(&key)) {
            let text = format!("the dead generation {} of job {} ended it", key.1, key.0);
            self.hub.with(|shared| shared.violated(text));
        }
        // The answer may be all that was lost. Once the restore has ended its volume is anybody's to write to, so that a report
        // that is repeated later comes too late for a look at it.
        let ended = accepted || result.is_err() && self.has_restored(&key);
        if ended && matches!(request.outcome, Some(Outcome::Done(_))) {
            self.check_done(&key);
        }
    }

    pub(crate) fn renewed(&mut self, life: Life, jobs: Vec<JobKey>, commands: &[SchedulerCommand]) {
        let is_lost = |key: &JobKey| {
            commands.iter().any(|command| match &command.command {
                Some(Command::CancelJob(cancel)) => cancel.lost && cancel.job_id == key.0 && cancel.generation == key.1,
                _ => false,
            })
        };
        for key in jobs.into_iter().filter(|key| !is_lost(key)) {
            self.hub.with(|shared| {
                let until = shared.now.plus_secs(i64::from(LEASE_SECS));
                if let Err(text) = shared.leases.renewed(life, key, until) {
                    shared.violated(text);
                }
            });
        }
    }

    /// What the backup held when it was accepted, or when its copy was frozen.
    pub(crate) fn expected(&self, backup: BackupId) -> Option<Content> {
        let frozen = self.hub.with(|shared| shared.frozen_as.get(&backup).cloned());
        frozen.or_else(|| self.clients.accepted_as.get(&backup).cloned())
    }

    /// Whether this generation of the job has ended well, and is a restore.
    fn has_restored(&mut self, key: &JobKey) -> bool {
        let is_it = |row: &db::Row| {
            row.text("id").is_ok_and(|id| id == key.0) && row.i64("generation").is_ok_and(|number| number == key.1)
        };
        self.rows(RESTORED).iter().any(is_it)
    }

    /// A restore that succeeded has written what was backed up.
    fn check_done(&mut self, key: &JobKey) {
        let work = self.hub.with(|shared| shared.leases.work(key).cloned());
        let Some(Work::RestoreBackup(work)) = work else { return };
        if !self.clients.restored.insert(key.0.clone()) {
            return;
        }
        let (Some(last), Some(volume)) = (work.chain.last(), &work.volume) else { return };
        let Some(expected) = last.id.parse().ok().and_then(|id| self.expected(id)) else { return };
        let Ok(id) = volume.id.parse::<VolumeId>() else { return };
        let found = self.hub.with(|shared| shared.pools.get(volume.pool.as_str())?.volumes.get(&id).cloned());
        if !found.is_some_and(|found| found.starts_with(&expected)) {
            let text = format!("the restore of backup {} onto {id} left something else than was backed up", last.id);
            self.hub.with(|shared| shared.violated(text));
        }
    }

    /// What no broker has taken is in the outbox still.
    pub(crate) fn check_outbox(&mut self) {
        if self.hub.with(|shared| shared.queues.refused.is_empty()) {
            return;
        }
        let here = self.texts("SELECT id FROM outbox ORDER BY id");
        self.hub.with(|shared| {
            let confirmed = &shared.queues.confirmed;
            let forgotten = shared.now.minus_secs(FORGOTTEN_SECS);
            shared.queues.refused.retain(|id, since| !confirmed.contains(id) && *since > forgotten);
            let gone: Vec<String> =
                shared.queues.refused.keys().filter(|id| here.binary_search(id).is_err()).cloned().collect();
            for id in gone {
                shared.queues.refused.remove(&id);
                shared.violated(format!("message {id} left the outbox, and no broker has it"));
            }
        });
    }

    /// No fault keeps the answer from coming.
    pub(crate) fn rows(&mut self, statement: &'static str) -> Vec<db::Row> {
        self.hub.with(|shared| shared.is_looking = true);
        let rows = self.services.block_on(async {
            let mut conn = self.database.read().await?;
            db::sql(statement).fetch_all(&mut conn).await
        });
        self.hub.with(|shared| shared.is_looking = false);
        rows.unwrap_or_else(|error| {
            // It would look as if there were nothing.
            self.hub.with(|shared| shared.violated(format!("the simulation cannot read: {error}")));
            Vec::new()
        })
    }

    /// The ids of the answer; no fault keeps it from coming.
    pub(crate) fn texts(&mut self, statement: &'static str) -> Vec<String> {
        self.rows(statement).iter().filter_map(|row| row.text("id").ok()).collect()
    }
}
