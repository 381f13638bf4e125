"""What the probes answer: alive as long as things come to an end, ready once the process could take over."""

from fakes import FakeClock

from tightrope.controller.health import Pulse


def pulse(clock: FakeClock, *, unsure: str | None = None) -> Pulse:
    return Pulse(clock=clock, tick_seconds=15.0, reconcile_seconds=30.0, unsure=lambda: unsure)


def test_a_process_in_which_nothing_comes_to_an_end_for_three_ticks_and_a_minute_is_stuck() -> None:
    clock = FakeClock()
    alive = pulse(clock)
    clock.at += 105.0
    assert alive.alive() is None
    clock.at += 1.0
    assert alive.alive() == "nothing was brought to an end for 106s"


def test_a_long_tick_that_gets_on_is_not_stuck() -> None:
    clock = FakeClock()
    alive = pulse(clock)
    for _ in range(20):
        clock.at += 60.0
        alive.stir()
    assert alive.alive() is None


def test_a_step_over_ten_thousand_services_has_its_time_and_no_more() -> None:
    clock = FakeClock()
    deciding = pulse(clock)
    deciding.services = 10_000
    clock.at += 300.0
    assert deciding.alive() is None
    clock.at += 6.0
    assert deciding.alive() == "nothing was brought to an end for 306s"


def test_a_process_that_waits_for_the_api_server_is_alive_but_not_ready() -> None:
    clock = FakeClock()
    waiting = pulse(clock)
    waiting.listed_at = clock.at
    waiting.turned()
    assert waiting.ready() is None
    for _ in range(20):
        clock.at += 15.0
        waiting.turned()
    assert waiting.alive() is None and "last listed whole 300s ago" in (waiting.ready() or "")


def test_nothing_is_ready_before_the_first_listing_and_the_first_turn() -> None:
    clock = FakeClock()
    starting = pulse(clock)
    assert starting.ready() == "the cluster has not been listed whole yet"
    starting.listed_at = clock.at
    assert starting.ready() == "no turn has ended yet"
    starting.turned()
    assert starting.ready() is None


def test_who_does_not_know_who_leads_is_not_ready() -> None:
    clock = FakeClock()
    unsure = pulse(clock, unsure="leader election: forbidden")
    unsure.listed_at = clock.at
    unsure.turned()
    assert unsure.ready() == "leader election: forbidden"
