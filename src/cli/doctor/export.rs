//! Tasks as lines of JSON.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use serde_json::value::RawValue;

use super::Progress;
use crate::api::TaskJson;
use crate::dispatch::TaskView;
use crate::queue::{Doctor, UnreadableTask};
use crate::task::{TaskRecord, Timestamp};

/// What was written.
#[derive(Default)]
pub(super) struct Exported {
    pub(super) tasks: u64,
    pub(super) unreadable: Vec<UnreadableTask>,
}

/// A task as `GET /tasks/{id}` shows it, and what it takes to submit it again; its worker key is not among that.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(flatten)]
    task: TaskJson<'a>,
    expires_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<&'a str>,
    body: &'a RawValue,
}

/// Writes every task that can be read to a new file, or to stdout for `-`.
pub(super) fn to(file: &Path, doctor: &mut Doctor) -> anyhow::Result<Exported> {
    let output: Box<dyn Write> =
        if file == Path::new("-") { Box::new(io::stdout().lock()) } else { Box::new(create(file)?) };
    let mut output = BufWriter::new(output);
    let all = doctor.findings().task_count();
    let (mut progress, mut exported) = (Progress::new("exported", "tasks"), Exported::default());
    for task in doctor.tasks() {
        match task {
            Ok(record) => {
                output.write_all(&line(record)?).context("cannot write the export")?;
                exported.tasks += 1;
            }
            Err(unreadable) => exported.unreadable.push(unreadable),
        }
        progress.told(exported.tasks, all);
    }
    output.flush().context("cannot write the export")?;
    Ok(exported)
}

/// A file for nobody else to read: bodies and results are in the open in it.
fn create(file: &Path) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).with_context(|| format!("cannot write {}", file.display()))
}

fn line(record: TaskRecord) -> anyhow::Result<Vec<u8>> {
    let view = TaskView { record, current: None, waiting: None };
    let spec = &view.record.spec;
    let text = String::from_utf8_lossy(&spec.body);
    // A body that was taken in is JSON.
    let quoted;
    let body = if let Ok(body) = serde_json::from_str(&text) {
        body
    } else {
        quoted = serde_json::value::to_raw_value(&text)?;
        &*quoted
    };
    let line = Line {
        task: TaskJson::from(&view),
        expires_at: spec.expires_at,
        idempotency_key: spec.idempotency.as_ref().map(|idempotency| idempotency.key.as_str()),
        body,
    };
    let mut line = serde_json::to_vec(&line)?;
    // Within JSON a bare line break is nothing but space.
    line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use serde_json::Value;

    use super::*;
    use crate::task::{Contract, LaneKey, Mode, StoredResult, TaskId, TaskOptions, TaskSpec, TaskState, WorkerKey};

    #[test]
    fn a_body_and_a_result_of_many_lines_are_one_line_and_lose_nothing() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let body = "{\n \"big\": 123456789012345678901234567890,\r\n\"text\":\"a\\nb\"}";
        let spec = TaskSpec {
            id: TaskId::new(now, 7),
            lane: LaneKey::new("g", Contract::new(1.0).unwrap()),
            function: "f".into(),
            mode: Mode::Async,
            options: TaskOptions::default(),
            body: Bytes::from_static(body.as_bytes()),
            worker_key: WorkerKey::unreadable(*b"sealed"),
            webhook: None,
            created_at: now,
            expires_at: now.after(Duration::from_secs(1)),
            resumable: false,
            idempotency: None,
        };
        let record = TaskRecord {
            spec: Arc::new(spec),
            state: TaskState::Completed,
            priority: None,
            attempts: Vec::new(),
            interruptions: 0,
            run_at: None,
            finished_at: Some(now),
            result: Some(StoredResult {
                status: 200,
                content_type: Some("application/json".into()),
                body: Bytes::from_static(b"{\"x\":\n1}"),
                truncated: false,
            }),
            error: None,
            code: None,
            owes_notice: false,
        };
        let line = String::from_utf8(line(record).unwrap()).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        assert!(line.contains("123456789012345678901234567890") && !line.contains("sealed"), "{line}");
        let shown: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&shown["state"], &shown["result"]["x"]), (&Value::from("completed"), &Value::from(1)));
        assert_eq!(shown["body"]["text"], "a\nb");
    }
}
