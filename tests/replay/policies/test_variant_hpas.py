"""Each variant's wish goes through an HPA of its own."""

from replay.seats import profile

from tightrope.replay.policies.variant_hpas import VariantHpas

PROFILES = [profile("cpu", max_replicas=9), profile("gpu", max_replicas=2)]


def test_one_may_grow_while_the_other_waits_for_its_window():
    hpas = VariantHpas(PROFILES)
    assert hpas.carried_out(0.0, {"cpu": 2, "gpu": 1}, {"cpu": 4, "gpu": 0}) == {"cpu": 4, "gpu": 1}
    assert hpas.carried_out(300.0, {"cpu": 4, "gpu": 1}, {"cpu": 4, "gpu": 0}) == {"cpu": 4, "gpu": 0}


def test_growth_is_limited_to_four_or_twice_as_many_in_fifteen_seconds():
    assert VariantHpas(PROFILES).carried_out(0.0, {"cpu": 1, "gpu": 0}, {"cpu": 9, "gpu": 2}) == {"cpu": 5, "gpu": 2}


def test_more_than_the_pool_can_hold_goes_at_once():
    assert VariantHpas(PROFILES).carried_out(0.0, {"cpu": 11, "gpu": 1}, {"cpu": 11, "gpu": 1}) == {"cpu": 9, "gpu": 1}
