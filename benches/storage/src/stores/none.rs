//! Stores nothing: what the bench itself costs.

use anyhow::Result;

use crate::store::{Id, OnTask, Op, Place, Store};

pub struct None;

impl Store for None {
    fn write(&mut self, ops: &[Op<'_>], places: &mut Vec<Place>) -> Result<()> {
        places.resize(ops.len(), 0);
        Ok(())
    }

    fn payload(&mut self, _: &Id, _: Place) -> Result<Vec<u8>> {
        Ok(vec![0; 1_024])
    }

    fn recover(&mut self, _: &mut OnTask<'_>) -> Result<()> {
        Ok(())
    }
}
