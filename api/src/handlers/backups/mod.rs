//! `/backups` (contract §1.5).

mod action;
mod create;
mod delete;
mod export;
mod import;
mod list;
mod restore;
mod show;
mod update;

use action::action;
use create::create;
use delete::delete;
use export::export;
use import::import;
use list::{detail, list};
use restore::restore;
use show::show;
use update::update;

use crate::handlers::versions;
use crate::microversion;
use crate::openapi::{Routes, accepted, answers, ok, status};
use crate::paging;

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get("/backups", list, ok("Lists backups").lists(&paging::BACKUPS).of(answers::BACKUP_SUMMARY))
        .post(
            "/backups",
            create,
            accepted("Backs up a volume or a snapshot").takes(&create::BODY).gives("backup", answers::BACKUP_SUMMARY),
        )
        .get(
            "/backups/detail",
            detail,
            ok("Lists backups with all that is known of them").lists(&paging::BACKUPS).of(answers::BACKUP),
        )
        .post(
            "/backups/import_record",
            import,
            status(201, "Imports the record of a backup that another Cinder made")
                .takes(&import::BODY)
                .gives("backup", answers::BACKUP_SUMMARY),
        )
        .nothing("/backups/new", versions::absent)
        .get("/backups/{id}", show, ok("Shows a backup").gives("backup", answers::BACKUP))
        .put(
            "/backups/{id}",
            update,
            ok("Changes name, description or metadata")
                .since(microversion::BACKUP_UPDATE)
                .takes(&update::BODY)
                .gives("backup", answers::BACKUP_SUMMARY),
        )
        .delete("/backups/{id}", delete, accepted("Deletes a backup"))
        .nothing("/backups/{id}/edit", versions::absent)
        .post(
            "/backups/{id}/restore",
            restore,
            accepted("Restores to a volume that is there, or to a new one")
                .takes(&restore::BODY)
                .gives("restore", answers::RESTORE),
        )
        .get(
            "/backups/{id}/export_record",
            export,
            ok("Exports the record of a backup").gives("backup-record", answers::RECORD),
        )
        .post("/backups/{id}/action", action, accepted("Does what the body's one key says").does(action::ACTIONS))
}
