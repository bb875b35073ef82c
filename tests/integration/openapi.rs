//! `GET /openapi.json` says what the balancer does: its routes, its errors, and its examples, which are run.

mod bench;
mod codes;
mod document;
mod errors;
mod events;
mod examples;
mod policies;
mod requests;
mod routes;
mod structure;
