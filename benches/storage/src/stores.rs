//! The candidates.

#[cfg(feature = "fjall")]
pub mod fjall;
pub mod live;
pub mod none;
pub mod plain;
#[cfg(feature = "redb")]
pub mod redb;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "wal-db")]
pub mod wal_db;
