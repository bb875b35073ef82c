//! The dashboard: who may see it, and what a browser sees.

mod access;
mod bull;
mod bull_pages;
mod live;
mod pages;
mod pictures;
mod policies;
mod session;
mod tasks;
mod workers;
