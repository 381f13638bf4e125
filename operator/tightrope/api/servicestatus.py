"""The status of an InferenceDeployment: what the operator sees, decided and did, for people and for its own restart.

`status` renders it and `parse` reads back the part that survives a restart; numbers are text, rounded so that a reader
learns something from each change.
"""

from typing import Annotated

from pydantic import Field

from tightrope.api.schema import Conditions, Figure, ListMap, Text, Time, Wire

Mix = Annotated[str, Field(max_length=256)]


class ObjectiveStatus(Wire):
    metric: Figure = Field(description="latency, ttft, itl or errors.")
    objective: Figure = Field(description='The objective in short, such as "99% < 300ms".')
    attainment: Figure | None = Field(None, description="Percent of requests that were good in the window.")
    budget_remaining: Figure | None = Field(
        None, description="What is left of the misses that the objective allows: 1 is all of it, negative is overspent."
    )
    burn_rate: Figure | None = Field(None, description="How fast the error budget goes: 1 uses it up exactly.")
    burn_rates: Figure | None = Field(
        None, description='How fast it went over the last hour, six hours and three days, such as "1h 0.6, 6h 0.5".'
    )
    burning: Figure | None = Field(
        None, description="Fast if the budget will be gone in days, Slow if in weeks; absent while it lasts."
    )
    covered: Figure | None = Field(None, description="How much of the window is known, at the least.")


class VariantStatus(Wire):
    name: Figure = Field(description="Name of the variant.")
    wanted: int | None = Field(None, ge=0, description="Replicas asked of its workload; absent while there is none.")
    ready: int | None = Field(None, ge=0, description="Replicas that are ready.")
    planned: int | None = Field(None, ge=0, description="Replicas in the plan.")
    capacity: Figure | None = Field(
        None, description="Requests per second that one replica carries while every objective holds."
    )
    bound_by: Figure | None = Field(
        None, description="Of several objectives, the metric of the one that leaves it this capacity."
    )
    capacity_log_mean: Figure | None = Field(None, description="For the operator: mean of the capacity's logarithm.")
    capacity_log_sd: Figure | None = Field(
        None, description="For the operator: standard deviation of the capacity's logarithm."
    )
    time_to_ready: Figure | None = Field(
        None, description="How long a new replica took until it was ready, as measured."
    )
    per_hour: Figure | None = Field(
        None, description="Cost of all nodes that its wanted replicas take, for one hour: a node counts whole."
    )
    retry_at: Time | None = Field(None, description="When a pool that had no room is tried again.")
    back_off: Figure | None = Field(None, description="How long the wait for room was.")
    back_off_reason: Figure | None = Field(
        None, description="TakenBack where the wait is for nodes of a spot pool that were taken back."
    )
    target_uid: Figure | None = Field(
        None, alias="targetUID", description="Which object the scaleTargetRef was found to be."
    )
    note: Text | None = Field(None, description="What hinders this variant.")


class Cost(Wire):
    per_hour: Figure | None = Field(None, description="Cost of the plan for one hour.")
    currency: Figure | None = Field(None, description="Currency of all costs in this status.")


class AlternativeStatus(Wire):
    plan: Mix = Field(description="Replicas by variant.")
    per_hour: Figure = Field(description="What it would cost for one hour.")
    why_not: Text = Field(description="Why it was not chosen.")


class DecisionStatus(Wire):
    time: Time = Field(description="When it was taken.")
    reason: Figure = Field(description="Why, as one documented word.")
    message: Text = Field(description="Why, in a sentence with the numbers.")
    covered_demand: Figure | None = Field(None, description="The demand that the plan is sized for.")
    alternatives: list[AlternativeStatus] = Field([], max_length=8, description="The plans that it beat.")


class PastDecision(Wire):
    time: Time = Field(description="When it was taken.")
    reason: Figure = Field(description="Why, as one documented word.")
    message: Text = Field(description="Why, in a sentence with the numbers.")
    plan: Mix = Field(description="Replicas by variant.")


class ComparedObjective(Wire):
    metric: Figure = Field(description="latency, ttft, itl or errors.")
    finished: Figure = Field(description="Requests that finished while both fleets could be judged.")
    missed: Figure = Field(description="Of those, missed by the fleet that ran.")
    predicted_missed: Figure = Field(description="Of those, missed had the recommended plans run, by what is learned.")


class RecommendationStatus(Wire):
    since: Time = Field(description="When the mode Recommend began.")
    hours: Figure = Field(description="How many hours since then were compared, of the SLO's window at the most.")
    cost: Figure = Field(description="What the replicas that were asked for cost in these hours.")
    plan_cost: Figure = Field(description="What the recommended plans would have cost in these hours.")
    currency: Figure = Field(description="Currency of both.")
    slo: Annotated[list[ComparedObjective], Field(max_length=4), ListMap("metric")] = Field(
        [], description="What both missed, by objective; absent where that is unknown."
    )


class InferenceDeploymentStatus(Wire):
    observed_generation: int | None = Field(None, ge=0, description="The generation of the spec that was acted on.")
    conditions: Conditions = Field([], description="Ready is the summary of the others.")
    slo: Annotated[list[ObjectiveStatus], Field(max_length=4), ListMap("metric")] = Field(
        [], description="Each objective and how it is held, the leading one first."
    )
    variants: Annotated[list[VariantStatus], Field(max_length=8), ListMap("name")] = Field(
        [], description="Each variant: what runs, what is planned, what is known of it."
    )
    ready: Figure | None = Field(None, description="Ready of wanted replicas, over all variants.")
    plan: Mix | None = Field(None, description="Replicas by variant that the operator converges to.")
    last_switch_time: Time | None = Field(None, description="When the mix of variants last changed.")
    cost: Cost | None = Field(None, description="What the plan costs.")
    recommendation: RecommendationStatus | None = Field(
        None, description="In mode Recommend, what following the plans would have cost and missed."
    )
    decision: DecisionStatus | None = Field(None, description="The latest decision that said something new.")
    past: Text | None = Field(None, description="How much of its demand is known from before the operator's start.")
    history: Annotated[list[PastDecision], Field(max_length=5)] = Field(
        [], description="The five latest decisions, newest first."
    )
