//! The command line: one file per subcommand.

mod config;
mod demo;
mod doctor;
mod health;
mod policy;
mod runtime;
mod serve;
mod signals;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use worker::WorkerArgs;

/// The exit code for a configuration that cannot be used (`EX_USAGE`, sysexits.h).
const BAD_CONFIGURATION: u8 = 64;

/// What `andera-lb` was asked to do.
#[derive(Debug, Parser)]
#[command(name = "andera-lb", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the load balancer (the default).
    Serve,
    /// Run a balancer, three sample workers and some traffic, all in one process; needs no file and no service.
    Demo(demo::DemoArgs),
    /// Run a sample worker.
    Worker(WorkerArgs),
    /// Print the effective configuration, secrets redacted.
    Config,
    /// Ask a running balancer whether it is ready; exits 0 if so.
    Health(health::HealthArgs),
    /// Check the files of the embedded queue, export what can be read, repair them.
    Doctor(doctor::DoctorArgs),
    /// Write, check, measure and replay policies.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
}

impl Cli {
    /// Does it, and gives the exit code of the process. Each subcommand has a runtime of its own, made after its configuration
    /// has been checked.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command.unwrap_or(Command::Serve) {
            Command::Serve => serve::run(),
            Command::Demo(args) => demo::run(&args),
            Command::Worker(args) => runtime::multi_threaded()?.block_on(worker::run(args)),
            Command::Config => config::run(),
            Command::Health(args) => health::run(&args),
            Command::Doctor(args) => doctor::run(&args),
            Command::Policy(command) => policy::run(&command),
        }
    }
}
