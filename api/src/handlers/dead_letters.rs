//! `GET /emberkeep/dead-letters`: messages that nobody could handle, the newest first. `POST …/{id}/replay` sends one again,
//! `DELETE …/{id}` forgets it.
//!
//! A route of our own. No job hangs on a dead letter, since messages are hints; but each is a sign of something.

use serde_json::{Value, json};

use crate::accept::dead_letters;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::openapi::{Routes, accepted, answers, ok, status};
use crate::policy::rules;
use crate::schema::Object;

/// There is nothing to choose; no body at all is as good.
const BODY: Object = Object::closed(&[]);
const LISTED_MAX: i64 = 1000;

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/emberkeep/dead-letters",
            list,
            ok("Lists messages that nobody could handle, the newest first, and says how many there are")
                .gives_whole(answers::DEAD_LETTERS),
        )
        .post(
            "/emberkeep/dead-letters/{id}/replay",
            replay,
            accepted("Sends a message again to the schedulers").takes(&BODY),
        )
        .delete("/emberkeep/dead-letters/{id}", forget, status(204, "Forgets a message"))
}

async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(rules::EMBERKEEP_GET_DEAD_LETTERS)?;
    let mut conn = call.app.database.read().await?;
    let letters = db::dead_letters::newest(&mut conn, LISTED_MAX).await?;
    let count = db::dead_letters::count(&mut conn).await?;
    let view = |letter: &db::dead_letters::DeadLetter| json!({"id": letter.id, "body": letter.body, "created_at": letter.created_at.iso()});
    let letters: Vec<Value> = letters.iter().map(view).collect();
    Ok(Answer::ok(json!({"dead_letters": letters, "count": count})))
}

async fn replay(call: Call) -> Result<Answer, Fault> {
    BODY.check(&call.optional_body()?.unwrap_or_else(|| json!({})), call.version)?;
    call.require(rules::EMBERKEEP_CHANGE_DEAD_LETTERS)?;
    dead_letters::replay(&call, call.id()).await?;
    Ok(Answer::accepted_silently())
}

async fn forget(call: Call) -> Result<Answer, Fault> {
    call.require(rules::EMBERKEEP_CHANGE_DEAD_LETTERS)?;
    dead_letters::forget(&call, call.id()).await?;
    Ok(Answer::no_content())
}
