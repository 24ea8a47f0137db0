//! A scheduler over a database and the broker in memory, met by workers that follow a script. Every case runs on a SQLite
//! file and on a real PostgreSQL (`real::`, which needs `EMBERKEEP_TEST_POSTGRES_URL`).

mod configuration;
mod fairness;
mod importing;
mod leases;
mod moving;
mod notifying;
mod placing;
mod reconciling;
mod rig;
mod rows;
mod settling;
mod sweeping;
mod verifying;

macro_rules! cases {
    ($($module:ident: $($case:ident)*;)*) => {
        mod sqlite {
            $(mod $module {
                $(#[tokio::test]
                async fn $case() {
                    crate::rig::on_sqlite(crate::$module::$case).await;
                })*
            })*
        }

        mod real {
            $(mod $module {
                $(#[tokio::test]
                async fn $case() {
                    crate::rig::on_postgres(crate::$module::$case).await;
                })*
            })*
        }
    };
}

cases! {
    fairness:
        the_first_job_of_another_project_gets_the_next_slot
        a_project_and_a_pool_have_no_more_than_they_may;
    importing:
        a_record_becomes_a_backup_of_the_importer
        a_record_that_fails_stays_a_placeholder
        objects_that_are_going_make_no_backup
        a_record_that_closes_a_circle_is_refused
        a_deletion_is_not_in_the_way_of_shared_objects
        a_reset_deletion_takes_no_row;
    leases:
        the_next_worker_goes_on_and_the_lost_one_is_refused
        heartbeats_keep_a_lease_and_a_dead_generation_hears_so
        an_assignment_that_nobody_claims_is_placed_again
        a_worker_that_never_comes_does_not_keep_the_job
        an_unknown_worker_is_asked_to_register
        a_passing_failure_is_tried_again_a_lasting_one_is_told
        a_job_handed_back_is_placed_again_at_once
        a_job_cancelled_in_the_queue_never_runs
        a_running_job_that_is_cancelled_is_told_between_heartbeats;
    moving:
        a_type_says_where_its_volumes_lie
        a_type_that_no_pool_serves_fails_its_volume_at_once
        a_copy_whose_type_asks_for_another_place_fails
        a_retype_stays_where_it_may
        a_retype_moves_where_it_must
        a_retype_that_must_not_move_leaves_all_as_it_was
        a_move_that_fails_leaves_nothing_behind
        a_volume_that_somebody_took_meanwhile_is_not_moved;
    notifying:
        listeners_hear_of_a_backup_from_its_start_to_its_end
        nobody_is_told_unless_somebody_asked;
    placing:
        a_job_waits_for_a_worker_and_comes_with_all_it_needs
        others_and_other_generations_are_stale
        a_new_volume_gets_its_place_with_the_assignment
        a_copy_is_made_where_its_source_lies
        what_can_never_be_placed_fails_without_a_worker
        a_volume_that_no_pool_could_hold_fails_once_a_pool_is_known
        a_backup_in_the_wrong_status_is_refused_at_the_claim
        the_first_place_of_a_backup_stands
        a_deletion_waits_and_cancels_the_backup_in_its_way
        what_overwrites_waits_for_what_was_asked_before
        a_damaged_row_does_not_stop_the_others
        a_draining_worker_gets_no_new_job
        disabled_services_get_nothing_new
        a_hint_that_makes_no_sense_is_dead;
    reconciling:
        copies_without_a_backup_may_go
        copies_stay_that_a_backup_reads
        what_nobody_works_on_is_reset_what_waits_is_not
        messages_go_when_their_time_is_over
        services_show_the_scheduler_and_what_workers_are;
    settling:
        a_finished_backup_is_available_and_its_volume_back
        a_snapshot_s_backup_leaves_the_volume_alone
        a_deleted_volume_takes_its_snapshots_and_all_quota
        a_volume_that_stays_keeps_its_snapshots
        growth_becomes_the_size_or_goes_back
        growth_of_a_volume_that_went_goes_back
        a_status_that_a_later_job_owns_stays
        an_adopted_volume_is_counted_when_its_size_is_known
        snapshots_come_and_go
        an_adopted_snapshot_is_counted_by_what_it_holds
        a_revert_frees_both_or_spoils_the_volume
        a_restore_gives_names_and_metadata_back
        a_failed_restore_spoils_the_target_not_the_backup;
    sweeping:
        of_a_backup_that_was_not_made_nothing_stays
        a_backup_of_several_attempts_is_looked_after
        a_backup_of_one_attempt_is_looked_after_when_it_is_gone
        what_goes_is_nobody_s
        a_record_of_what_is_swept_is_refused;
    verifying:
        what_was_found_is_kept_with_the_backup
        a_broken_chain_is_damage
        a_lost_worker_s_verification_begins_again
        a_deletion_stops_the_verification
        a_restore_and_a_verification_do_not_wait_for_each_other
        what_is_no_backup_any_more_is_not_verified
        only_workers_of_its_store_verify_a_backup;
}
