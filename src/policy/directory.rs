//! The texts behind the numbers that policies see.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::exact;
use crate::task::Contract;

/// The texts behind the numbers that policies see: all there are at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Directory {
    /// The listed workers.
    pub workers: Vec<WorkerEntry>,
    /// The lanes that have workers.
    pub lanes: Vec<LaneEntry>,
    /// The functions that workers offer.
    pub functions: Vec<FunctionEntry>,
}

/// A worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerEntry {
    /// Its number.
    pub id: u32,
    /// Its address.
    pub url: Arc<str>,
    /// Its tags by name.
    pub tags: Vec<(String, String)>,
}

/// A lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneEntry {
    /// Its number.
    pub id: u32,
    /// The group.
    pub group: Arc<str>,
    /// The contract.
    #[serde(with = "exact::contract")]
    pub contract: Contract,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionEntry {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
}
