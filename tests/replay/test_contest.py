"""Which runs show how well a policy does, and which of them counts."""

from dataclasses import replace

from replay.cases import case, told

from tightrope.replay.contest import best, entries, played


def test_a_policy_of_one_pool_is_played_on_each_in_turn_and_one_of_all_pools_once() -> None:
    small = case([(0, 10.0)], seconds=60)
    one, _ = told(lambda seat: {}, reach="one pool")
    every, _ = told(lambda seat: {}, reach="all pools")

    assert [entry.variants for entry in entries(small, one, tuned=False)] == [("cpu",), ("gpu",)]
    assert [entry.variants for entry in entries(small, every, tuned=False)] == [("cpu", "gpu")]


def test_tuning_in_hindsight_tries_the_defaults_and_every_combination_once() -> None:
    kind, _ = told(lambda seat: {})
    kind = replace(kind, defaults={"target": 0.8, "window": 60.0}, knobs={"target": (0.6, 0.8), "window": (60.0, 15.0)})
    tried = [tuple(sorted(e.knobs.items())) for e in entries(case([(0, 10.0)], seconds=60), kind, tuned=True)]

    assert tried[0] == (("target", 0.8), ("window", 60.0))
    assert len(tried) == len(set(tried)) == 4


def test_cost_counts_only_where_the_objective_is_met() -> None:
    demand = case([(0, 60.0)], seconds=1800)
    courses = []
    for count in (1, 3, 6):
        kind, _ = told(lambda seat, count=count: {"cpu": count})
        courses += [played(demand, entry) for entry in entries(demand, kind, tuned=False)]

    assert not courses[0].score.met
    assert best(courses).score.cost == courses[1].score.cost
    assert best(courses[:1]) is courses[0]
