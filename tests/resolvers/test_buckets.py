"""Token buckets: so much at once, then so much a second, for any number of keys."""

import pytest

from resolvers.buckets import Buckets


def test_a_burst_is_let_through_and_then_one_for_each_interval():
    buckets = Buckets(burst=3, per_second=2)
    assert [buckets.take("a", 10.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("a", 10.4) == pytest.approx(0.1)
    assert buckets.take("a", 10.5) == 0
    assert buckets.take("a", 10.5) == 0.5


def test_who_was_refused_waits_no_longer_for_having_asked():
    buckets = Buckets(burst=1, per_second=1)
    buckets.take("a", 0.0)
    assert [buckets.take("a", 0.5) for _ in range(100)] == [0.5] * 100
    assert buckets.take("a", 1.0) == 0


def test_a_bucket_fills_up_to_its_burst_and_no_further():
    buckets = Buckets(burst=2, per_second=1)
    buckets.take("a", 0.0)
    assert [buckets.take("a", 1000.0) for _ in range(3)] == [0, 0, 1]


def test_keys_have_buckets_of_their_own():
    buckets = Buckets(burst=1, per_second=1)
    assert (buckets.take("a", 0.0), buckets.take("b", 0.0)) == (0, 0)
    assert (buckets.take("a", 0.0), buckets.take("b", 0.0)) == (1, 1)


def test_any_number_of_keys_takes_no_more_room_than_two_generations():
    buckets = Buckets(burst=1, per_second=1, generation=100)
    for number in range(10_000):
        buckets.take(number, 0.0)
        assert len(buckets) <= 200
    assert buckets.take(9_950, 0.0) == 1  # and those of late are remembered


def test_a_bucket_that_is_used_outlives_its_generation():
    buckets = Buckets(burst=1000, per_second=0.001, generation=10)
    for number in range(1000):
        assert buckets.take("a", 0.0) == 0
        buckets.take(number, 0.0)
    assert buckets.take("a", 0.0) > 0
