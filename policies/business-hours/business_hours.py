"""Another priority outside business hours; see README.md. Nothing in here needs WebAssembly."""

import re
from types import SimpleNamespace

HIGHEST = 2_097_152
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_A_DAY = 24 * 60
# The epoch began on a Thursday.
FIRST_DAY = 3


class BadConfig(Exception):
    """What is wrong with a configuration, as a sentence."""


def read(config):
    """The settings in a configuration, all of them checked."""
    if not isinstance(config, dict):
        raise BadConfig("the configuration is no object")
    known = {"utc_offset", "days", "from", "to", "outside", "groups", "functions", "tenants"}
    unknown = sorted(set(config) - known)
    if unknown:
        raise BadConfig(f"there is no setting {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    settings = SimpleNamespace(
        offset=_offset(config.get("utc_offset", "+00:00")),
        days=_days(config.get("days", list(DAYS[:5]))),
        begin=_minutes("from", config.get("from", "09:00")),
        end=_minutes("to", config.get("to", "17:00")),
        change=_change(config.get("outside", {"add": 1000})),
        only={
            "group": _names("groups", config.get("groups")),
            "function_name": _names("functions", config.get("functions")),
            "tenant": _names("tenants", config.get("tenants")),
        },
    )
    if settings.begin == settings.end:
        raise BadConfig("from and to are the same time; for the whole day: 00:00 to 24:00")
    return settings


def is_open(settings, now_ms):
    """Whether there is business at that time."""
    day, minute = divmod(now_ms // 60_000 + settings.offset, MINUTES_A_DAY)
    weekday = (day + FIRST_DAY) % 7
    if settings.begin < settings.end:
        return weekday in settings.days and settings.begin <= minute < settings.end
    # Over midnight: the hours after it belong to the day before.
    return (weekday in settings.days and minute >= settings.begin) or (
        (weekday - 1) % 7 in settings.days and minute < settings.end
    )


def priority(settings, task):
    """The priority of a task."""
    concerns = all(names is None or getattr(task, field) in names for field, names in settings.only.items())
    if not concerns or is_open(settings, task.now_ms):
        return task.priority
    kind, number = settings.change
    if kind == "set":
        return number
    if task.priority == 0 and number < 0:
        # Nothing goes before a task without a priority.
        return 0
    return max(1, min(HIGHEST, task.priority + number))


def _offset(text):
    match = re.fullmatch(r"([+-])(\d\d):([0-5]\d)", text) if isinstance(text, str) else None
    if not match or int(match[2]) > 14:
        raise BadConfig('utc_offset has to be like "+05:30", up to 14 hours')
    minutes = int(match[2]) * 60 + int(match[3])
    return minutes if match[1] == "+" else -minutes


def _minutes(name, text):
    match = re.fullmatch(r"(\d\d):([0-5]\d)", text) if isinstance(text, str) else None
    minutes = int(match[1]) * 60 + int(match[2]) if match else MINUTES_A_DAY + 1
    if minutes > MINUTES_A_DAY:
        raise BadConfig(f'{name} has to be a time like "09:30", from 00:00 to 24:00')
    return minutes


def _days(days):
    if not isinstance(days, list) or not days or any(day not in DAYS for day in days):
        raise BadConfig(f"days has to be a list of {', '.join(DAYS)}")
    return {DAYS.index(day) for day in days}


def _names(name, names):
    if names is None:
        return None
    if not isinstance(names, list) or not names or not all(isinstance(one, str) for one in names):
        raise BadConfig(f"{name} has to be a list of names; without it, all are meant")
    return set(names)


def _change(change):
    if isinstance(change, dict) and len(change) == 1:
        ((kind, number),) = change.items()
        lowest = {"add": -HIGHEST, "set": 0}.get(kind)
        # True is a number to Python.
        if type(number) is int and lowest is not None and lowest <= number <= HIGHEST:
            return kind, number
    raise BadConfig('outside has to be {"add": N}, more being less urgent, or {"set": N}, from 0 to 2097152')
