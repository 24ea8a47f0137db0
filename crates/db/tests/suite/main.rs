//! One suite, run on a SQLite file and on a real PostgreSQL (`real::`, which needs `EMBERKEEP_TEST_POSTGRES_URL`).

mod backups;
mod database;
mod fleet;
mod jobs;
mod lab;
mod lists;
mod messages;
mod outbox;
mod pool_files;
mod quotas;
mod rows;
mod sharing;
mod types;

macro_rules! on_both {
    ($($module:ident { $($case:ident)* })*) => {
        mod sqlite {
            $(mod $module {$(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::lab::on_sqlite(crate::$module::$case).await;
                }
            )*})*
        }

        mod real {
            $(mod $module {$(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::lab::on_postgres(crate::$module::$case).await;
                }
            )*})*
        }
    };
}

on_both! {
    backups {
        deleted_backups_are_invisible
        a_place_is_written_once
        a_verification_changes_nothing_else
        chains
        a_held_parent_and_its_deletion_exclude_each_other
    }
    database {
        a_dropped_transaction_changes_nothing
        a_dropped_future_leaves_a_working_connection
        processes_that_start_together_migrate_once
        a_newer_database_is_refused
        a_changed_script_is_refused
        a_text_with_nul_is_refused
        writers_queue
        an_unknown_word_is_named
    }
    fleet {
        services_keep_what_the_operator_said
        candidates_carry_their_load
        a_frozen_service_is_disabled_too
        a_host_holds_what_lies_in_its_pools
        silent_workers_are_forgotten
    }
    jobs {
        every_subject_comes_back
        the_way_of_a_job
        success_only_from_running
        a_dead_generation_can_change_nothing
        a_repeated_claim_is_the_job_again
        of_two_assignments_one_wins
        of_two_claims_one_wins
        of_requeue_and_finish_one_wins
        of_two_endings_one_wins
        due_and_expired
        projects_wait_and_pools_are_busy
        the_line_pages_past_what_cannot_be_read
        of_a_late_claim_and_the_end_of_its_lease_one_wins
        bytes_that_no_row_points_at_are_discarded_where_they_are
        all_that_is_being_done_is_seen
        checkpoints_page_and_go
    }
    lists {
        pages_equal_a_model
        filters_select
        markers_are_checked
        wrong_columns_are_errors
    }
    messages {
        messages_come_back_and_go_in_their_time
    }
    outbox {
        two_relays_share_the_rows
        a_taken_row_comes_back
    }
    pool_files {
        a_report_replaces_the_one_before
        pages_follow_each_other
    }
    quotas {
        parallel_charges_never_exceed
        all_or_nothing_in_the_order_of_names
        a_type_has_limits_of_its_own
        own_limits_win
        a_types_limits_go_with_it
        giving_back_too_much_is_an_error
        usage_is_the_sum_of_the_rows
        transfers_count_once
    }
    rows {
        nouns_come_back
        another_projects_row_is_not_found
        status_changes_compare
        a_volume_returns_from_its_backup
        texts_and_setters
        a_volume_takes_its_own_with_it
        stuck_rows_have_no_job
        metadata_sets
    }
    sharing {
        the_same_place_is_shared
        of_the_deletions_at_once_only_the_last_is_alone
        no_backup_becomes_its_own_ancestor
        a_record_fills_its_placeholder
    }
    types {
        a_group_type_is_touched
        types_are_found_by_id_and_name
        names_of_types_are_unique
        private_types_are_seen_by_whom_they_are_granted
        types_are_selected_by_their_specs
        a_type_takes_its_own_with_it
        a_type_in_use_stays
        no_volume_comes_between_the_question_and_the_change
        a_projects_default_holds_its_type
        qos_specs_hold_on_to_their_types
    }
}
