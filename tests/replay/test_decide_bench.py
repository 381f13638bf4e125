"""The benchmark of the decision measures what it says: copies of services that lived, each on its own from then on."""

import pytest

from tightrope.replay.decide_bench import DAY, KINDS, Cluster, copied, lived_through


@pytest.fixture(scope="module")
def lived() -> Cluster:
    return lived_through(1200.0)


def test_services_that_lived_through_it_hold_their_objective(lived):
    for seat in lived.seats:
        memory = lived.memory.of(seat.service.key)
        assert memory.last_tick_at == DAY - 15.0
        assert sum(seat.wanted.values()) >= 1


def test_copies_remember_what_those_they_were_copied_from_do(lived):
    cluster = copied(lived, 2 * KINDS + 1)
    for index, seat in enumerate(cluster.seats):
        source = lived.seats[index % KINDS]
        assert cluster.memory.of(seat.service.key).planned == lived.memory.of(source.service.key).planned
        assert seat.wanted == source.wanted


def test_copies_of_one_service_see_demands_of_their_own(lived):
    cluster = copied(lived, 2 * KINDS)
    cluster.tick(DAY)
    first, second = (cluster.memory.of(cluster.seats[index].service.key) for index in (0, KINDS))
    assert first.demand.rates[-1] != second.demand.rates[-1]
    assert cluster.spent > 0.0


def test_a_descent_takes_the_newest_replicas_away(lived):
    (seat, *_) = copied(lived, 1).seats
    seat.started = [(1.0, "cpu"), (2.0, "gpu"), (3.0, "cpu")]
    seen = seat.observed(2.5, 0.0)
    assert {name: state.ready for name, state in seen.variants.items()} == {"cpu": 1, "gpu": 1}
