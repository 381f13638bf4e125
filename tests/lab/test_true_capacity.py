"""Capacities of a scenario's variants."""

from tightrope.dataplane.server_model import Distribution, ServerModel
from tightrope.lab.true_capacity import of_variants

MM1 = ServerModel(base_seconds=0.02, distribution=Distribution.EXPONENTIAL)


def test_variants_without_a_server_of_their_own_share_the_one_for_all() -> None:
    carries = of_variants({"*": MM1}, ["a", "b"], threshold_seconds=0.3, percent=99)
    assert carries["a"] == carries["b"] > 30
