//! `/messages` (contract §1.10). All of it came with 3.3.

mod delete;
mod list;
mod show;

use delete::delete;
use list::list;
use show::show;

use crate::microversion;
use crate::openapi::{Routes, answers, ok, status};
use crate::paging;

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/messages",
            list,
            ok("Lists what became of acts after they were accepted")
                .since(microversion::MESSAGES)
                .lists(&paging::MESSAGES)
                .of(answers::MESSAGE),
        )
        .get(
            "/messages/{id}",
            show,
            ok("Shows a message").since(microversion::MESSAGES).gives("message", answers::MESSAGE),
        )
        .delete("/messages/{id}", delete, status(204, "Deletes a message").since(microversion::MESSAGES))
}
