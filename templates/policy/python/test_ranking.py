import unittest
from types import SimpleNamespace

import ranking


def rank(*workers):
    """Workers with that many slots, and that many of them in use."""
    candidates = SimpleNamespace(slots=[slots for slots, _ in workers], used=[used for _, used in workers])
    return ranking.rank(SimpleNamespace(priority=0, seed=1, now_ms=1_750_000_000_000), candidates)


class RankingTest(unittest.TestCase):
    def test_the_least_used_worker_goes_first(self):
        self.assertEqual(rank((2, 1), (8, 2), (4, 3)), [1, 0, 2])

    def test_four_rows_are_enough(self):
        self.assertEqual(len(rank(*[(8, 0)] * 10)), 4)


if __name__ == "__main__":
    unittest.main()
