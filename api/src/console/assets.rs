//! What pages need beside themselves: three files, built in.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use super::page::Leave;

pub(super) async fn show(Path(file): Path<String>) -> Response {
    let (kind, text) = match file.as_str() {
        "console.css" => ("text/css; charset=utf-8", include_str!("../../assets/console.css")),
        "console.js" => ("text/javascript; charset=utf-8", include_str!("../../assets/console.js")),
        "ember.svg" => ("image/svg+xml", include_str!("../../assets/ember.svg")),
        _ => return Leave::absent().into_response(),
    };
    // Asked for anew with every page that is opened, so that an upgrade is seen at once.
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text).into_response()
}
