//! The tester: where its role is configured, it writes tests after the workers; what it wrote is its own to mend.

use proto::config::role;
use proto::event::Event;

use super::board::Board;
use super::context::{Question, RoundContext, Stop};
use super::landing;
use super::logs::Decision;
use super::resolving::{self, Contents};
use super::verdict::Halt;
use super::writing;
use crate::calls::Priority;
use crate::prompt::{self, TesterBrief};
use crate::relpath::RelPath;
use crate::store::NewEvent;

/// The tester as the owner of files.
pub(super) const TESTER: &str = "tester";

/// Asks the tester, where there is one, and writes its tests.
pub(super) async fn test(cx: &RoundContext, board: &Board) -> Result<(), Stop> {
    let Some(by) = cx.role(role::TESTER) else { return Ok(()) };
    if cx.workspace.is_none() || !cx.spec.settings.tests {
        return Ok(());
    }
    let paths: Vec<RelPath> = {
        let known = board.lock();
        known.files.iter().filter(|(_, file)| file.current.is_some()).map(|(path, _)| path.clone()).collect()
    };
    if paths.is_empty() {
        return Ok(());
    }
    let (files, seen) = cx.views(paths).await?;
    let contract = board.lock().agreed();
    let event = Event::WorkerStarted { worker: TESTER.to_owned(), title: "tests".to_owned(), attempt: 1 };
    let question = Question {
        key: "test/1".to_owned(),
        worker: TESTER,
        role: role::TESTER,
        by,
        avoid: Vec::new(),
        prompt: Box::new(|window| {
            prompt::tester(&TesterBrief { task: &cx.spec.task, contract: &contract, files: &files }, window)
        }),
        schema: None,
        priority: Priority::Critical,
        events: vec![NewEvent::new("worker.started/tester/1", event)],
        seen,
        listener: None,
    };
    let asked = match cx.ask(board, question).await {
        Ok((asked, fresh)) => {
            if fresh {
                cx.logs.decide(Decision::asked("test", TESTER, "write tests", &asked.result));
            }
            asked
        }
        // What is there can be checked all the same.
        Err(Stop::Halt(Halt::Budget(limit, _))) => {
            return cx.note("tester", format!("no tests were written: the {limit} limit is met")).await;
        }
        Err(stop) => return Err(stop),
    };
    let record = match asked.result {
        Ok(record) => record,
        Err(failure) => return cx.note("tester", format!("no tests were written: {failure}")).await,
    };
    let answer = resolving::read(cx, &record, &[]);
    let mut resolved = resolving::resolve(cx, "test/1", &answer, &asked.seen, &Contents::new()).await?;
    let files = std::mem::take(&mut resolved.files);
    let event = Event::WorkerFinished {
        worker: TESTER.to_owned(),
        attempt: 1,
        model: record.model.clone(),
        tokens_in: record.usage.input,
        tokens_out: record.usage.output,
        duration_ms: record.duration_ms,
        files: files.keys().map(ToString::to_string).collect(),
        spent: board.lock().spent(),
    };
    cx.journal.say("worker.finished/tester/1", event).await?;
    let (wanted, mut refused) = landing::share_out(board, TESTER, &files, &answer.moves, true);
    refused.extend(landing::unsafe_paths(TESTER, &answer));
    refused.extend(resolving::not_mine(&board.lock(), TESTER, &[], &mut resolved));
    writing::write(cx, board, "test/1", TESTER, wanted, &asked.seen, refused).await?;
    Ok(())
}
