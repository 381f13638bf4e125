"""The compiled event loop against Ciw (Palmer et al., Ciw: an open-source discrete event simulation library, 2019),
which shares no line with it: the same arrivals and the same work must wait equally long there and here."""

import ciw
import numpy as np
import pytest

from tightrope.dataplane.fleet import Fleet
from tightrope.dataplane.outcomes import Floats, Outcomes, Status
from tightrope.dataplane.server_model import Distribution, ServerModel
from tightrope.dataplane.servers import Server

REQUESTS = 3_000
LONG_AFTER = 1e6


def poisson(rate: float) -> Floats:
    return np.cumsum(np.random.default_rng(5).exponential(1.0 / rate, size=REQUESTS))


def here(model: ServerModel, arrivals: Floats) -> Outcomes:
    """What became of each, in the order of arrival."""
    ended = Server(model, seed=3).advance(arrivals, LONG_AFTER)
    order = np.argsort(ended.arrival)
    return Outcomes(
        arrival=ended.arrival[order], wait=ended.wait[order], service=ended.service[order], status=ended.status[order]
    )


def there(arrivals: Floats, work: Floats, *, slots: int, queue_limit: float) -> tuple[Floats, Floats]:
    """Waits of those served and arrival times of those refused, in the order of arrival, by Ciw."""
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Sequential([*np.diff(arrivals, prepend=0.0), LONG_AFTER])],
        service_distributions=[ciw.dists.Sequential(work.tolist())],
        number_of_servers=[slots],
        queue_capacities=[queue_limit],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(LONG_AFTER / 2)
    records = sorted(simulation.get_all_records(), key=lambda record: record.arrival_date)
    waits = [record.waiting_time for record in records if record.record_type == "service"]
    refused = [record.arrival_date for record in records if record.record_type == "rejection"]
    return np.array(waits), np.array(refused)


@pytest.mark.parametrize("slots", [1, 2, 5])
@pytest.mark.parametrize("distribution", list(Distribution))
def test_everybody_waits_as_long_as_in_an_independent_simulation(slots: int, distribution: Distribution) -> None:
    cv = 1.5 if distribution is Distribution.LOGNORMAL else None
    model = ServerModel(base_seconds=0.05, slots=slots, distribution=distribution, cv=cv, queue_limit=REQUESTS)
    ours = here(model, poisson(17.0 * slots))
    waits, refused = there(ours.arrival, ours.service, slots=slots, queue_limit=float("inf"))

    assert not len(refused) and waits.mean() > 0.01
    assert np.allclose(ours.wait, waits, atol=1e-6)


def test_a_full_queue_refuses_the_same_requests_as_an_independent_simulation() -> None:
    model = ServerModel(base_seconds=0.05, slots=2, distribution=Distribution.EXPONENTIAL, queue_limit=3)
    ours = here(model, poisson(44.0))
    served = ours.finished
    waits, refused = there(ours.arrival, ours.service[served], slots=2, queue_limit=3)

    assert ours.count(Status.REFUSED) > 300
    assert np.allclose(ours.arrival[~served], refused)
    assert np.allclose(ours.wait[served], waits, atol=1e-6)


def test_a_random_split_leaves_each_pod_the_queue_of_an_independent_simulation() -> None:
    fleet = Fleet(seed=3)
    for pod in "abc":
        fleet.add(pod, ServerModel(base_seconds=0.05, distribution=Distribution.EXPONENTIAL, queue_limit=REQUESTS))
    fleet.set_ready("abc")
    for ended in fleet.advance(poisson(51.0), LONG_AFTER).by_pod.values():
        order = np.argsort(ended.arrival)
        waits, _ = there(ended.arrival[order], ended.service[order], slots=1, queue_limit=float("inf"))
        assert waits.mean() > 0.01
        assert np.allclose(ended.wait[order], waits, atol=1e-6)
