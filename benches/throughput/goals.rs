//! What the balancer has to reach, and what it does.

use std::fmt;

/// Something to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    EmbeddedThroughput,
    MemoryThroughput,
    EmbeddedCpu,
    EmbeddedP50,
    MemoryP50,
    EmbeddedP99,
    Redis,
    Sticky,
    Backlog,
    Workers,
    IdleCpu,
    IdleClient,
    ColdStart,
}

/// Whether more is better.
#[derive(Clone, Copy, Debug)]
enum Better {
    More,
    Less,
}
use Better::{Less, More};

/// All of them: what it is, what it must reach, what it aims at.
const GOALS: [(Goal, &str, Better, f64, f64, &str); 13] = [
    (Goal::EmbeddedThroughput, "`embedded`, 64 clients, throughput / nginx (1 process)", More, 0.40, 0.60, ""),
    (Goal::MemoryThroughput, "`memory`, 64 clients, throughput / nginx", More, 0.55, 0.75, ""),
    (Goal::EmbeddedCpu, "`embedded`, 64 clients, CPU a task / nginx's", Less, 2.8, 2.2, ""),
    (Goal::EmbeddedP50, "`embedded`, 1 client, p50 / nginx's", Less, 1.8, 1.4, ""),
    (Goal::MemoryP50, "`memory`, 1 client, p50 / nginx's", Less, 1.8, 1.4, ""),
    (Goal::EmbeddedP99, "`embedded`, 64 clients, p99 / nginx's", Less, 2.5, 1.5, ""),
    (Goal::Redis, "`redis`, 64 clients, throughput / the loop of `bullmq-official`", More, f64::NAN, f64::NAN, ""),
    (Goal::Sticky, "WebAssembly policy `sticky`, 64 clients, throughput / native", More, 0.95, 0.98, ""),
    (Goal::Backlog, "with 1,000,000 tasks queued, throughput / with none", More, 0.85, 0.95, ""),
    (Goal::Workers, "2,000 workers, throughput / 1 worker", More, 0.75, 0.9, ""),
    (Goal::IdleCpu, "idle CPU with 2,000 workers, of a core", Less, 15.0, 5.0, " %"),
    (Goal::IdleClient, "memory of an idle keep-alive client (10,000 of them)", Less, 20.0, 8.0, " KB"),
    (Goal::ColdStart, "cold start to the first task", Less, 200.0, 80.0, " ms"),
];

/// The table of goals, as Markdown, with what was measured.
#[derive(Debug)]
pub(crate) struct Goals<'a>(pub(crate) &'a [(Goal, f64)]);

impl fmt::Display for Goals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| goal | must | aim | measured | met |\n|---|---:|---:|---:|---|")?;
        for (goal, text, better, must, aim, unit) in GOALS {
            if goal == Goal::Redis {
                writeln!(f, "| {text} | | | see `make bench-redis` | |")?;
                continue;
            }
            let measured = self.0.iter().find(|(found, _)| *found == goal).map(|(_, measured)| *measured);
            let reaches = |bound: f64| {
                measured.is_some_and(|measured| match better {
                    More => measured >= bound,
                    Less => measured <= bound,
                })
            };
            let met = match measured {
                None => "",
                Some(_) if reaches(aim) => "aim",
                Some(_) if reaches(must) => "must",
                Some(_) => "**no**",
            };
            let measured =
                measured.map_or_else(|| "not measured".to_owned(), |measured| format!("{measured:.2}{unit}"));
            writeln!(f, "| {text} | {must}{unit} | {aim}{unit} | {measured} | {met} |")?;
        }
        Ok(())
    }
}
