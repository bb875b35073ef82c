//! `GET /openapi.json`: the description of this interface.
//!
//! Written by hand, a piece a resource, since bodies are read and cut by hand too: there are no types to derive it from. What the code
//! knows is added from the code (`complete.rs`), and tests send its examples to a balancer.

mod complete;

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::ApiError;
use crate::task::ErrorCode;

const PIECES: [&str; 11] = [
    include_str!("openapi/document.json"),
    include_str!("openapi/task.json"),
    include_str!("openapi/tasks.json"),
    include_str!("openapi/one_task.json"),
    include_str!("openapi/task_schema.json"),
    include_str!("openapi/actions.json"),
    include_str!("openapi/events.json"),
    include_str!("openapi/lanes.json"),
    include_str!("openapi/policies.json"),
    include_str!("openapi/policies_schema.json"),
    include_str!("openapi/balancer.json"),
];

/// The document as it is sent, made at the first request.
static TEXT: LazyLock<serde_json::Result<Bytes>> =
    LazyLock::new(|| Ok(serde_json::to_vec(&Value::Object(document()?))?.into()));

/// The description of this interface.
pub(super) async fn show() -> Result<Response, ApiError> {
    match &*TEXT {
        Ok(text) => {
            let json = HeaderValue::from_static("application/json");
            Ok(([(CONTENT_TYPE, json)], text.clone()).into_response())
        }
        Err(error) => {
            tracing::error!(%error, "the description of the interface cannot be put together");
            Err(ApiError::new(ErrorCode::Internal, "Something went wrong"))
        }
    }
}

fn document() -> serde_json::Result<Map<String, Value>> {
    let mut document = Map::new();
    for piece in PIECES {
        join(&mut document, serde_json::from_str(piece)?);
    }
    complete::complete(&mut document)?;
    Ok(document)
}

/// Adds the members of a piece, at every depth.
fn join(document: &mut Map<String, Value>, piece: Map<String, Value>) {
    for (name, value) in piece {
        match (document.get_mut(&name), value) {
            (Some(Value::Object(there)), Value::Object(more)) => join(there, more),
            (_, value) => {
                document.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(value: &Value) -> usize {
        match value {
            Value::Object(members) if !members.is_empty() => members.values().map(leaves).sum(),
            _ => 1,
        }
    }

    #[test]
    fn the_pieces_fit_together_and_none_hides_a_part_of_another() {
        let mut joined = Map::new();
        let mut sum = 0;
        for piece in PIECES {
            let piece: Map<String, Value> = serde_json::from_str(piece).unwrap();
            sum += leaves(&Value::Object(piece.clone()));
            join(&mut joined, piece);
        }
        assert_eq!(leaves(&Value::Object(joined)), sum);
        assert_eq!(document().unwrap()["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}
