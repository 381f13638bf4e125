"""ComputePool: one kind of node at one price, with a capacity. Cluster-scoped; the platform team owns it."""

from re import fullmatch
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from tightrope.api.labels import NamespaceSelector, labels_of
from tightrope.api.schema import Conditions, Duration, Label, Money, Quantity, Rule, Text, Time, Wire, between, matching

INSTANCE_TYPE: Final = "node.kubernetes.io/instance-type"
ZONE: Final = "topology.kubernetes.io/zone"


class Price(Wire):
    """What a node costs."""

    per_node_hour: Annotated[
        Money,
        Rule("self.matches('[1-9]')", "must be greater than zero", lambda text: any(c in "123456789" for c in text)),
    ] = Field(description='Price of one node for one hour, as a decimal number in quotes: "0.8048".')
    currency: Annotated[
        str,
        Field(min_length=1, max_length=16),
        matching("[A-Z]{3}", "must be a currency code of three capital letters, such as USD"),
    ] = Field("USD", description="Currency of the price, three letters. Pools of one service share one currency.")
    query: Literal["opencost", "karpenter"] | None = Field(
        None,
        description="Where Prometheus has the price as it changes, in the same currency: OpenCost's or Karpenter's "
        "metrics. While it has none, the last one read counts, and before the first, perNodeHour.",
    )
    prom_ql: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(
        None,
        alias="promQL",
        description="In place of query: an expression of your own whose series are prices of one node for one hour, in "
        "the same currency. Of several the dearest counts; while it has none, the same holds as for query.",
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.query) || !has(self.promQL)",
            "query and promQL are two places for one price: write one of them",
            lambda price: price.query is None or price.prom_ql is None,
        ),
    )


class Node(Wire):
    """What one empty node offers to pods; how many replicas fit follows from what they request."""

    cpu: Quantity = Field(description="CPU cores that pods may request, such as 8 or 7500m.")
    memory: Quantity = Field(description="Memory that pods may request, such as 32Gi.")
    accelerators: int = Field(0, ge=0, le=128, description="Accelerators in one node.")


class Toleration(Wire):
    """As in a pod: lets the replicas run on nodes with a matching taint."""

    key: str | None = Field(None, max_length=316, description="Key of the taint; absent matches every key.")
    operator: Literal["Equal", "Exists"] = Field("Equal", description="Exists matches every value.")
    value: str | None = Field(None, max_length=63, description="Value of the taint, with operator Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="Effect of the taint; absent matches every effect."
    )
    toleration_seconds: int | None = Field(
        None, ge=0, le=86_400, description="With effect NoExecute: how long the taint is tolerated."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.operator != 'Exists' || !has(self.value) || self.value == ''",
            "value must be left out when operator is Exists",
            lambda toleration: toleration.operator != "Exists" or not toleration.value,
        ),
        Rule(
            "(has(self.key) && self.key != '') || self.operator == 'Exists'",
            "key must name the taint, or operator must be Exists to match all of them",
            lambda toleration: bool(toleration.key) or toleration.operator == "Exists",
        ),
        Rule(
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            "tolerationSeconds needs effect: NoExecute",
            lambda toleration: toleration.toleration_seconds is None or toleration.effect == "NoExecute",
        ),
    )


class Placement(Wire):
    """How the scheduler finds the nodes of this pool. It is merged into every pod of a variant that names the pool."""

    node_selector: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]],
        Field(max_length=16),
        labels_of("nodes", "{tightrope.dev/pool: l4}"),
    ] = Field({}, description="Labels that the nodes of this pool carry.")
    tolerations: list[Toleration] = Field([], max_length=16, description="Taints of the nodes that replicas tolerate.")


class ComputePoolSpec(Wire):
    accelerator: Label | None = Field(
        None, description="Which accelerator the nodes have, such as nvidia-l4. Absent for a CPU pool."
    )
    accelerator_resource: Annotated[
        str,
        Field(min_length=1, max_length=128),
        matching(
            "[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?",
            "must be a resource name with its domain, such as nvidia.com/gpu",
        ),
    ] = Field("nvidia.com/gpu", description="Resource name under which pods request the accelerator.")
    price: Price = Field(description="What a node costs.")
    capacity_type: Literal["on-demand", "spot", "reserved"] = Field(
        "on-demand",
        description="How the nodes are bought: of on-demand and spot nodes price.query looks for the price; reserved "
        "ones, up to maxNodes, are paid for whether they are used or not, so plans use them first.",
    )
    node: Node = Field(description="What one empty node offers to pods.")
    max_nodes: int = Field(
        ge=0,
        le=5000,
        description="The most nodes there may be, with those that an autoscaler can add; 0 closes the pool.",
    )
    placement: Placement = Field(Placement(), description="How the scheduler finds the nodes of this pool.")
    allowed_namespaces: NamespaceSelector | None = Field(
        None, description="Namespaces whose services may use the pool, by their labels; absent, all of them."
    )
    time_to_ready: Annotated[Duration, between("1s", "2h")] = Field(
        "3m",
        description="How long a new replica takes here until it is ready, nodes to be added included; a first guess, "
        "replaced by what is measured.",
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.accelerator) == (self.node.accelerators > 0)",
            "accelerator and node.accelerators go together: name the accelerator and say how many one node has, "
            "or leave both out for a CPU pool",
            lambda spec: (spec.accelerator is not None) == (spec.node.accelerators > 0),
        ),
        Rule(
            "!has(self.price.query) || !has(self.capacityType) || self.capacityType != 'reserved'",
            "price.query knows what nodes are sold for today, not what reserved ones were bought for: write "
            "perNodeHour, and leave query out",
            lambda spec: spec.price.query is None or spec.capacity_type != "reserved",
        ),
        Rule(
            "!has(self.price.query) || (has(self.placement) && has(self.placement.nodeSelector) && "
            f"'{INSTANCE_TYPE}' in self.placement.nodeSelector)",
            f"price.query finds a price by the kind of node: write placement.nodeSelector with {INSTANCE_TYPE}, "
            "or leave query out",
            lambda spec: spec.price.query is None or INSTANCE_TYPE in spec.placement.node_selector,
        ),
    )


class PoolPrice(Wire):
    """The price that was read, where price.query or price.promQL is set."""

    per_node_hour: Annotated[str, Field(max_length=64)] = Field(description="Price of one node for one hour.")
    currency: Annotated[str, Field(max_length=16)] = Field(description="Currency of the price.")
    source: Text = Field(description="Whose price of which kind of node it is.")
    since: Time = Field(description="When it was first read.")
    last_read: Time | None = Field(None, description="When it was last read; absent while it still is.")


class ComputePoolStatus(Wire):
    conditions: Conditions = Field(
        [],
        description="Ready says whether services may use the pool, and why not; PriceCurrent, with price.query or "
        "price.promQL, whether its price is read.",
    )
    price: PoolPrice | None = Field(None, description="The price that plans count with, where it is read.")


class ComputePoolMetadata(Wire):
    name: str


class ComputePool(Wire):
    """One kind of node at one price, with a capacity."""

    metadata: ComputePoolMetadata
    spec: ComputePoolSpec = Field(description="What a node of the pool is, and how many there may be.")
    status: ComputePoolStatus = Field(ComputePoolStatus(), description="What the operator says of the pool.")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",
            "metadata.name must be at most 63 lower-case letters, digits and '-', beginning and ending with a letter "
            "or digit",
            lambda pool: fullmatch("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", pool.metadata.name) is not None,
        ),
    )
