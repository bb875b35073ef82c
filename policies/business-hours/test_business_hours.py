import unittest
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

from business_hours import BadConfig, is_open, priority, read


def at(text):
    """Milliseconds since the epoch of a time with its offset."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def task(now, asked=10, group="default", function="hello", tenant=None):
    return SimpleNamespace(now_ms=at(now), priority=asked, group=group, function_name=function, tenant=tenant)


# In 2026, the 23rd of November is a Monday.
MONDAY_NOON = "2026-11-23T12:00+00:00"
MONDAY_NIGHT = "2026-11-23T23:00+00:00"


class HoursTest(unittest.TestCase):
    def test_there_is_business_from_the_first_minute_to_the_one_before_the_last(self):
        settings = read({"from": "09:00", "to": "17:30"})
        for time, expected in [("08:59:59", False), ("09:00", True), ("17:29:59", True), ("17:30", False)]:
            self.assertEqual(is_open(settings, at(f"2026-11-23T{time}+00:00")), expected, time)

    def test_days_off_are_off(self):
        settings = read({"days": ["mon", "sun"]})
        week = [f"2026-11-{day}T12:00+00:00" for day in range(23, 30)]
        self.assertEqual([is_open(settings, at(day)) for day in week], [True] + [False] * 5 + [True])

    def test_the_offset_moves_hours_and_days(self):
        for text in ("+05:30", "-08:00", "+14:00", "-00:30"):
            settings = read({"utc_offset": text})
            zone = datetime.fromisoformat(f"2026-01-01T00:00{text}").tzinfo
            for hour in range(24 * 8):
                local = datetime(2026, 11, 22, 0, 15, tzinfo=zone) + timedelta(hours=hour)
                expected = local.weekday() < 5 and 9 <= local.hour < 17
                self.assertEqual(is_open(settings, int(local.timestamp() * 1000)), expected, local)

    def test_hours_over_midnight_belong_to_the_day_they_begin(self):
        settings = read({"days": ["fri"], "from": "22:00", "to": "06:00"})
        times = ["27T21:59", "27T22:00", "28T05:59", "28T06:00", "28T22:00", "27T05:00"]
        opened = [is_open(settings, at(f"2026-11-{time}+00:00")) for time in times]
        self.assertEqual(opened, [False, True, True, False, False, False])

    def test_a_whole_day_is_one(self):
        settings = read({"from": "00:00", "to": "24:00"})
        self.assertTrue(is_open(settings, at("2026-11-23T00:00+00:00")))
        self.assertTrue(is_open(settings, at("2026-11-23T23:59:59+00:00")))

    def test_the_calendar_is_right_for_years_to_come(self):
        settings = read({"days": ["thu"], "from": "00:00", "to": "24:00"})
        day = datetime(1970, 1, 1, tzinfo=timezone.utc)
        for _ in range(40_000):
            self.assertEqual(is_open(settings, int(day.timestamp() * 1000)), day.weekday() == 3, day)
            day += timedelta(days=1)


class PriorityTest(unittest.TestCase):
    def test_tasks_keep_their_priority_in_business_hours(self):
        self.assertEqual(priority(read({"outside": {"set": 5}}), task(MONDAY_NOON)), 10)

    def test_outside_it_is_lowered_raised_or_set(self):
        for outside, asked, expected in [
            ({"add": 1000}, 10, 1010),
            ({"add": 1000}, 0, 1000),
            ({"add": 1000}, 2_097_000, 2_097_152),
            ({"add": -5}, 10, 5),
            ({"add": -50}, 10, 1),
            ({"add": -50}, 0, 0),
            ({"set": 0}, 10, 0),
            ({"set": 7}, 0, 7),
        ]:
            settings = read({"outside": outside})
            self.assertEqual(priority(settings, task(MONDAY_NIGHT, asked)), expected, (outside, asked))

    def test_only_the_tasks_that_are_named_are_changed(self):
        settings = read({"groups": ["batch"], "tenants": ["free"]})
        self.assertEqual(priority(settings, task(MONDAY_NIGHT, group="batch", tenant="free")), 1010)
        self.assertEqual(priority(settings, task(MONDAY_NIGHT, group="batch")), 10)
        self.assertEqual(priority(settings, task(MONDAY_NIGHT, tenant="free")), 10)
        settings = read({"functions": ["train"]})
        self.assertEqual(priority(settings, task(MONDAY_NIGHT, function="train")), 1010)
        self.assertEqual(priority(settings, task(MONDAY_NIGHT)), 10)


class ConfigTest(unittest.TestCase):
    def test_what_is_wrong_is_said(self):
        for config, why in [
            ([], "no object"),
            ({"hours": 1}, "no setting hours"),
            ({"utc_offset": 1}, "utc_offset has to be"),
            ({"utc_offset": "+15:00"}, "utc_offset has to be"),
            ({"days": ["monday"]}, "days has to be"),
            ({"days": []}, "days has to be"),
            ({"days": [["mon"]]}, "days has to be"),
            ({"from": "9:00"}, "from has to be"),
            ({"to": "24:01"}, "to has to be"),
            ({"from": "08:00", "to": "08:00"}, "the same time"),
            ({"outside": {"add": True}}, "outside has to be"),
            ({"outside": {"set": -1}}, "outside has to be"),
            ({"outside": {"add": 1, "set": 1}}, "outside has to be"),
            ({"groups": "batch"}, "groups has to be"),
            ({"tenants": []}, "tenants has to be"),
        ]:
            with self.assertRaisesRegex(BadConfig, why, msg=config):
                read(config)


if __name__ == "__main__":
    unittest.main()
