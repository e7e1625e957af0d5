//! `et session diff`: what a round changed, a file an item.

use std::sync::Arc;

use proto::message::{Diff, DiffAction, Diffed, FileDiff, Reply};

use crate::daemon::Responder;
use crate::diff::{MAX_CONTENT, Unified, unified};
use crate::relpath::RelPath;
use crate::round::NetFile;
use crate::session::{Engine, SessionError};
use crate::store::StoreError;
use crate::workspace::Hash;

pub(super) async fn handle(engine: &Arc<Engine>, request: Diff, responder: &Responder) -> Result<Reply, SessionError> {
    let row = engine.resolve(&request.session).await?;
    let changed = engine.changed_by(&row, request.round).await?;
    for (path, file) in changed.net.files {
        let Unified { diff, note } = compare(engine, &path, &file).await?;
        let action = match (&file.before, &file.after) {
            (None, _) => DiffAction::Created,
            (Some(_), None) => DiffAction::Deleted,
            (Some(_), Some(_)) => DiffAction::Changed,
        };
        let item = FileDiff {
            path: path.to_string(),
            action,
            before_sha256: file.before.map(|hash| hash.0),
            after_sha256: file.after.map(|hash| hash.0),
            diff,
            note,
        };
        if responder.item(Reply::FileDiff(item)).await.is_err() {
            break;
        }
    }
    Ok(Reply::Diffed(Diffed { session: row.id, round: changed.row.round }))
}

async fn compare(engine: &Engine, path: &RelPath, file: &NetFile) -> Result<Unified, SessionError> {
    let hashes = [file.before.clone(), file.after.clone()];
    let path = path.to_string();
    let compared = engine.store.read(move |reader| {
        let mut contents = [None, None];
        for (hash, content) in hashes.iter().zip(&mut contents) {
            let Some(Hash(hash)) = hash else { continue };
            match reader.blob_size(hash)? {
                None => return Ok(Unified::none("its content isn't kept any more")),
                Some(bytes) if bytes > MAX_CONTENT => return Ok(Unified::none("too large to be compared")),
                Some(_) => *content = reader.blob(hash)?,
            }
        }
        let [before, after] = contents;
        // A thread for blocking work is the place for it.
        Ok(unified(&path, before.as_deref(), after.as_deref()))
    });
    compared.await.map_err(|error: StoreError| error.into())
}
