//! The dashboard: who may see it, and what a browser sees.

mod access;
mod live;
mod pages;
mod pictures;
mod session;
mod tasks;
mod workers;
