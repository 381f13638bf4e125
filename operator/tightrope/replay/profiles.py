"""What is known of each variant before a replay: how its server works, and what a team would have measured of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tightrope.dataplane.llm_model import LlmModel
from tightrope.dataplane.server_model import Distribution, ServerModel
from tightrope.dataplane.tokens import TokenAverages
from tightrope.domain.performance import capacity_at
from tightrope.domain.spec import Metric, Pools, Service, Variant
from tightrope.replay.assumptions import Assumptions
from tightrope.replay.goals import in_words
from tightrope.replay.seat import Judged, LlmProfile, VariantProfile


class ReplayError(ValueError):
    """The replay cannot be done as asked; the message says what to write instead."""


def server_of(service: Service, variant: Variant) -> ServerModel:
    """The server that `variants[].capacity` describes: one request at a time, exponential service times, with which
    exactly the allowed share of requests misses the threshold at the stated rate.

    An M/M/1 queue keeps P(T > t) = exp(-(mu - rate) t) (Kleinrock, Queueing Systems I, 3.2), hence
    mu = rate + ln(1/e) / at. Raises ReplayError if no capacity is stated.
    """
    prior = variant.capacity
    if prior is None:
        raise ReplayError(
            f"spec.variants[{variant.name}].capacity is missing: a replay without a cluster needs the rate that one "
            'replica carries, as in "capacity: {rate: 12, at: 300ms}", or --servers with how it works'
        )
    mu = prior.rate_per_second + math.log(1.0 / service.objective.allowed_miss_fraction) / prior.at_seconds
    return ServerModel(base_seconds=1.0 / mu, distribution=Distribution.EXPONENTIAL)


def profile_of(service: Service, variant: Variant, pools: Pools, assumptions: Assumptions) -> VariantProfile:
    """The profile of one variant. Raises ReplayError for one that cannot run or cannot meet the SLO."""
    if variant.pool not in pools:
        known = ", ".join(sorted(pools)) or "none"
        raise ReplayError(
            f"spec.variants[{variant.name}].pool is {variant.pool}, and no such ComputePool is given (there is: "
            f"{known}): add it to the file of --pools"
        )
    pool = pools[variant.pool]
    per_node = pool.replicas_per_node(variant.requests)
    if per_node < 1:
        raise ReplayError(
            f"a replica of variant {variant.name} does not fit an empty node of pool {variant.pool}: lower its "
            "requests, or name a pool with larger nodes"
        )
    if service.objective.metric is Metric.ITL and not assumptions.with_tokens:
        raise ReplayError(
            f"spec.slo.objectives begins with itl, and the server of variant {variant.name} answers at once, with "
            "nothing between tokens: describe it with kind: llm in the file of --servers"
        )
    capacity = _carries(service, variant, assumptions)
    working = _working(assumptions, variant.name, service.objective.metric)
    return VariantProfile(
        name=variant.name,
        pool=variant.pool,
        capacity=capacity,
        saturation=assumptions.saturation(variant.name),
        service_seconds=working.service_seconds,
        batch_limit=working.batch_limit,
        slots=working.slots,
        price_per_hour=pool.price_per_node_hour / per_node,
        time_to_ready_seconds=pool.time_to_ready_seconds,
        accelerated=pool.node.accelerators > 0,
        max_replicas=min(service.max_replicas, pool.max_nodes * per_node),
        llm=working.llm,
        judged=working.judged,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Working:
    """How a replica works, as VariantProfile has it."""

    service_seconds: Callable[[int], float]
    batch_limit: int
    slots: int
    llm: LlmProfile | None = None
    judged: Judged | None = None


def _working(assumptions: Assumptions, name: str, metric: Metric) -> _Working:
    model, lengths = assumptions.servers[name], assumptions.lengths
    if isinstance(model, ServerModel):
        return _Working(service_seconds=model.batch_seconds, batch_limit=model.batch_limit, slots=model.slots)
    assert lengths is not None
    averages = lengths.averages()
    return _Working(
        service_seconds=partial(model.batch_seconds, lengths=averages),
        batch_limit=model.batch(averages),
        slots=1,
        llm=LlmProfile(
            cache_tokens=model.cache_tokens,
            input_tokens=averages.input_tokens,
            output_tokens=averages.output_tokens,
        ),
        judged=_judged(model, averages, metric),
    )


def _judged(model: LlmModel, averages: TokenAverages, metric: Metric) -> Judged | None:
    if metric is Metric.TTFT:
        return Judged(seconds=partial(model.first_token_seconds, lengths=averages), with_wait=True)
    if metric is Metric.ITL:
        return Judged(seconds=partial(model.gap_seconds, lengths=averages), with_wait=False)
    return None


def _carries(service: Service, variant: Variant, assumptions: Assumptions) -> float:
    """Requests per second of one replica within the SLO: measured where its server is described, else as stated."""
    within = in_words(service.objective, f"{service.objective.threshold_seconds * 1000:.0f}ms")
    if (measured := assumptions.measured.get(variant.name)) is not None:
        if measured <= 0:
            raise ReplayError(
                f"the server described for variant {variant.name} answers less than {service.objective.percent:g} % of "
                f"requests {within}, however few there are: describe a faster one, or leave the variant out"
            )
        return measured
    assert variant.capacity is not None  # server_of has asked for it
    stated = capacity_at(variant.capacity, service.objective)
    if stated <= 0:
        raise ReplayError(
            f"spec.variants[{variant.name}].capacity leaves nothing {within}: state a capacity measured at "
            "that threshold"
        )
    return stated
