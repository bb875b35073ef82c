//! What needs somebody.

use std::sync::Arc;

use serde::Serialize;

use super::lanes::{LaneRow, LaneState};
use super::{Minute, Storage, seconds_since};
use crate::dashboard::live::FellBack;
use crate::dashboard::workers::{Tone, WorkerRow, name_of};
use crate::policy::{Circuit, PolicyStatus, Scope};
use crate::task::Timestamp;
use crate::workers::WorkerId;

/// Less room than that on the queue's disk is nearly none, and a share of it likewise.
const LITTLE_BYTES: u64 = 512 << 20;
const LITTLE_SHARE: u64 = 20;
/// Less than that is as good as none.
const NO_BYTES: u64 = 64 << 20;
/// Bad runs within a minute, and their share, that make a storm.
const STORM: (f64, f64) = (20.0, 0.3);
/// Failed tasks within a minute, and their share, that are many.
const MANY_FAILURES: (f64, f64) = (10.0, 0.2);
/// Lanes that are named one by one.
const NAMED: usize = 5;

/// Something that needs somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Notice {
    level: Level,
    title: String,
    detail: String,
    /// The page to look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    href: Option<String>,
}

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Bad,
    Warn,
    Info,
}

/// What there is to judge by.
pub(super) struct Facts<'a> {
    pub(super) now: Timestamp,
    pub(super) lanes: Option<&'a [LaneRow]>,
    pub(super) rows: &'a [(WorkerId, WorkerRow)],
    pub(super) file_error: Option<Arc<str>>,
    pub(super) policies: &'a [(Scope, PolicyStatus)],
    /// Those in whose place the native order decided more than now and then.
    pub(super) fallbacks: &'a [FellBack],
    pub(super) storage: Storage,
    pub(super) minute: Minute,
}

/// What needs somebody, the worst first.
pub(super) fn notices(facts: &Facts<'_>) -> Vec<Notice> {
    let mut notices = Vec::new();
    of_storage(facts, &mut notices);
    of_lanes(facts, &mut notices);
    of_workers(facts, &mut notices);
    of_policies(facts, &mut notices);
    of_the_minute(facts.minute, &mut notices);
    notices.sort_by_key(|notice| notice.level);
    notices
}

fn notice(level: Level, title: impl Into<String>, detail: impl Into<String>, href: Option<&str>) -> Notice {
    Notice { level, title: title.into(), detail: detail.into(), href: href.map(ToOwned::to_owned) }
}

fn of_storage(facts: &Facts<'_>, notices: &mut Vec<Notice>) {
    if facts.lanes.is_none() || !facts.storage.answers {
        let detail = "New tasks are refused until it can be read and written again.";
        notices.push(notice(
            Level::Bad,
            "The queue\u{2019}s store does not answer",
            detail,
            Some("/dashboard/logs?level=warn"),
        ));
    }
    let Some((free, all)) = facts.storage.disk else { return };
    let room = format!("{} MB of {} MB are free.", free >> 20, all >> 20);
    if free < NO_BYTES {
        notices.push(notice(
            Level::Bad,
            "The queue\u{2019}s disk is full",
            format!("{room} New tasks are refused."),
            None,
        ));
    } else if free < LITTLE_BYTES || free < all / LITTLE_SHARE {
        notices.push(notice(Level::Warn, "The queue\u{2019}s disk is nearly full", room, None));
    }
}

fn of_lanes(facts: &Facts<'_>, notices: &mut Vec<Notice>) {
    let lanes = facts.lanes.unwrap_or_default();
    for state in [LaneState::NoWorkers, LaneState::Starving, LaneState::Paused] {
        let concerned: Vec<&LaneRow> = lanes.iter().filter(|lane| lane.state == state && lane.queued > 0).collect();
        for lane in concerned.iter().take(NAMED) {
            notices.push(of_lane(lane, facts.now));
        }
        if let Some(more) = concerned.len().checked_sub(NAMED).filter(|more| *more > 0) {
            notices.push(notice(
                Level::Warn,
                format!("{more} more lanes like that"),
                "They are flagged in the table below.",
                None,
            ));
        }
    }
}

fn of_lane(lane: &LaneRow, now: Timestamp) -> Notice {
    let name = format!("{} / {}", lane.group, lane.contract);
    let tasks = if lane.queued == 1 { "1 task waits".to_owned() } else { format!("{} tasks wait", lane.queued) };
    let waiting = match lane.oldest_at.map(|oldest| seconds_since(now, oldest)) {
        Some(seconds) if seconds >= 1 => format!("{tasks}, the oldest for {}", length(seconds)),
        _ => tasks,
    };
    match lane.state {
        LaneState::NoWorkers => {
            let title = format!("No worker takes tasks of {name}");
            notice(
                Level::Bad,
                title,
                format!("{waiting}. Add a worker, or see why those there are not ready."),
                Some("/dashboard/workers"),
            )
        }
        LaneState::Starving => {
            let slots = if lane.free == 1 { "1 slot is".to_owned() } else { format!("{} slots are", lane.free) };
            let detail =
                format!("{waiting}, and {slots} free: the policy, or the tasks\u{2019} last workers, hold them back.");
            notice(
                Level::Warn,
                format!("Workers of {name} take nothing beside a backlog"),
                detail,
                Some("/dashboard/workers"),
            )
        }
        _ => notice(Level::Info, format!("{name} is paused"), format!("{waiting}. Resume it below."), None),
    }
}

fn length(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

fn of_workers(facts: &Facts<'_>, notices: &mut Vec<Notice>) {
    if let Some(error) = &facts.file_error {
        let title = "The workers file is not in force as it is now";
        notices.push(notice(Level::Bad, title, format!("{error}. The last good list stays."), None));
    }
    for (status, one, several) in [
        ("mismatch", "publishes other functions than its lane", "publish other functions than their lanes"),
        ("unauthorized", "refuses the balancer\u{2019}s key", "refuse the balancer\u{2019}s key"),
        ("unreachable", "cannot be reached", "cannot be reached"),
        ("offline", "went silent", "went silent"),
        ("blocked", "is ready but cannot take tasks", "are ready but cannot take tasks"),
    ] {
        let concerned: Vec<&WorkerRow> =
            facts.rows.iter().map(|(_, row)| row).filter(|row| row.status == status && row.tone != Tone::Ok).collect();
        let level = if concerned.iter().any(|row| row.tone == Tone::Bad) { Level::Bad } else { Level::Warn };
        match &concerned[..] {
            [] => {}
            [row] => {
                let why = row.why.as_deref().unwrap_or_default();
                let href = format!("/dashboard/workers/{}", name_of(&row.url));
                notices.push(notice(level, format!("{} {one}", row.url), capital(why), Some(&href)));
            }
            all => {
                let named: Vec<&str> = all.iter().take(3).map(|row| &*row.url).collect();
                let dots = if all.len() > 3 { ", \u{2026}" } else { "" };
                let detail = format!("{}{dots}", named.join(", "));
                let href = format!("/dashboard/workers?status={status}");
                notices.push(notice(level, format!("{} workers {several}", all.len()), detail, Some(&href)));
            }
        }
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn of_policies(facts: &Facts<'_>, notices: &mut Vec<Notice>) {
    let (mut policies, logs) = (Vec::new(), Some("/dashboard/logs?q=policy"));
    for (scope, policy) in facts.policies {
        let name = of_lanes_of(scope, &policy.policy);
        if let Some(error) = &policy.load_error {
            let title = format!("The policy {name} cannot be used");
            policies.push(notice(Level::Bad, title, format!("{error}. The native order decides."), logs));
        } else if let Circuit::Open { left } = policy.circuit {
            let title = format!("The policy {name} fails");
            let last = policy.last_failure.as_deref().unwrap_or("it failed too often");
            let detail = format!("{last}. The native order decides for another {} s.", left.as_secs().max(1));
            policies.push(notice(Level::Bad, title, detail, logs));
        } else if let Some(lately) = facts.fallbacks.iter().find(|fallback| fallback.scope == scope.to_string()) {
            let FellBack { decisions, fallbacks, reason, .. } = lately;
            let detail = format!(
                "The native order made {fallbacks} of {decisions} decisions in its place within the last 5 minutes, mostly because of: {reason}."
            );
            policies.push(notice(
                Level::Warn,
                format!("The policy {name} often falls back"),
                detail,
                Some("/dashboard/policies"),
            ));
        }
    }
    let more = policies.len().saturating_sub(NAMED);
    notices.extend(policies.into_iter().take(NAMED));
    if more > 0 {
        notices.push(notice(
            Level::Warn,
            format!("{more} more policies like that"),
            "The page of policies has all.",
            Some("/dashboard/policies"),
        ));
    }
}

/// A policy, and the lanes it is for if those are not all.
fn of_lanes_of(scope: &Scope, policy: &str) -> String {
    match scope {
        Scope::Default => policy.to_owned(),
        Scope::Group(_) | Scope::Lane(_) => format!("{policy} of {scope}"),
    }
}

fn of_the_minute(minute: Minute, notices: &mut Vec<Notice>) {
    let percent = |part: f64, whole: f64| (part / whole * 100.0).round();
    if minute.bad_attempts >= STORM.0 && minute.bad_attempts > minute.attempts * STORM.1 {
        let share = percent(minute.bad_attempts, minute.attempts);
        let detail = format!(
            "{:.0} runs within the last minute did not end well: {share} % of all. See which workers fail.",
            minute.bad_attempts
        );
        notices.push(notice(Level::Warn, "Many runs are repeated", detail, Some("/dashboard/workers?sort=failures")));
    }
    let ended = minute.completed + minute.failed;
    if minute.failed >= MANY_FAILURES.0 && minute.failed > ended * MANY_FAILURES.1 {
        let share = percent(minute.failed, ended);
        let detail = format!("{:.0} within the last minute: {share} % of all that ended.", minute.failed);
        notices.push(notice(Level::Bad, "Many tasks fail for good", detail, Some("/dashboard/logs?level=warn")));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::lanes::tests::{lane, row_of};
    use super::*;
    use crate::dispatch::LaneView;

    fn of<'a>(change: impl FnOnce(&mut Facts<'a>)) -> Vec<(Level, String)> {
        let mut facts = Facts {
            now: Timestamp::from_millis(600_000),
            lanes: Some(&[]),
            rows: &[],
            file_error: None,
            policies: &[],
            fallbacks: &[],
            storage: Storage::default(),
            minute: Minute::default(),
        };
        change(&mut facts);
        notices(&facts)
            .into_iter()
            .map(|notice| (notice.level, format!("{} {}", notice.title, notice.detail)))
            .collect()
    }

    fn only(notices: &[(Level, String)], level: Level, part: &str) {
        let [(found, text)] = notices else { panic!("{notices:?}") };
        assert!(*found == level && text.contains(part), "{notices:?}");
    }

    #[test]
    fn nothing_is_said_when_all_is_well() {
        let lanes = [row_of(&lane(5, 1, 0), 0)];
        assert_eq!(of(|facts| facts.lanes = Some(&lanes)), []);
    }

    #[test]
    fn lanes_that_need_somebody_are_named() {
        let without = [row_of(&lane(2, 0, 0), 0)];
        only(&of(|facts| facts.lanes = Some(&without)), Level::Bad, "2 tasks wait, the oldest for 10 min");
        let starving = [row_of(&lane(1, 2, 3), 9)];
        only(&of(|facts| facts.lanes = Some(&starving)), Level::Warn, "3 slots are free");
        let paused = [row_of(&LaneView { paused: true, ..lane(1, 2, 3) }, 9)];
        only(&of(|facts| facts.lanes = Some(&paused)), Level::Info, "paused");
        let many = vec![without[0].clone(); 9];
        assert_eq!(of(|facts| facts.lanes = Some(&many)).len(), NAMED + 1);
    }

    #[test]
    fn storage_policy_and_file_are_looked_at() {
        let disk = |free| Storage { disk: Some((free, 1 << 40)), answers: true };
        only(&of(|facts| facts.storage = disk(1 << 30)), Level::Warn, "nearly full");
        only(&of(|facts| facts.storage = disk(1 << 20)), Level::Bad, "New tasks are refused");
        assert_eq!(of(|facts| facts.storage = disk(1 << 38)), []);
        only(&of(|facts| facts.storage.answers = false), Level::Bad, "does not answer");
        only(&of(|facts| facts.lanes = None), Level::Bad, "does not answer");
        only(&of(|facts| facts.file_error = Some("no JSON".into())), Level::Bad, "no JSON");
    }

    #[test]
    fn policies_that_fail_and_those_that_often_fall_back_are_named_with_their_lanes() {
        let open = Circuit::Open { left: Duration::from_secs(4) };
        let policy = |circuit| PolicyStatus { policy: "wasm:mine".into(), circuit, ..PolicyStatus::default() };
        let fell_back = |scope: &str| FellBack {
            scope: scope.to_owned(),
            policy: "wasm:mine".into(),
            decisions: 900,
            fallbacks: 18,
            reason: "deadline",
        };
        let (failing, closed) = ([(Scope::Default, policy(open))], policy(Circuit::Closed));
        only(&of(|facts| facts.policies = &failing), Level::Bad, "another 4 s");
        let (of_group, lately) = ([(Scope::Group("g".into()), closed)], [fell_back("g/*")]);
        let found = of(|facts| (facts.policies, facts.fallbacks) = (&of_group, &lately));
        only(&found, Level::Warn, "wasm:mine of g/* often falls back The native order made 18 of 900");
        let many = vec![failing[0].clone(); 9];
        assert_eq!(of(|facts| facts.policies = &many).len(), NAMED + 1);
    }

    #[test]
    fn many_bad_runs_are_a_storm_and_few_are_not() {
        let minute = |bad_attempts, attempts| Minute { attempts, bad_attempts, ..Minute::default() };
        only(&of(|facts| facts.minute = minute(30.0, 60.0)), Level::Warn, "50 %");
        assert_eq!(of(|facts| facts.minute = minute(5.0, 6.0)), []);
        assert_eq!(of(|facts| facts.minute = minute(30.0, 600.0)), []);
        only(
            &of(|facts| facts.minute = Minute { failed: 30.0, completed: 30.0, ..Minute::default() }),
            Level::Bad,
            "for good",
        );
    }
}
