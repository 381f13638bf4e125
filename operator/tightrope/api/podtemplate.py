"""The pod template of a service and the patches over it: what a schema can say of them.

Most of a pod is kept as written and checked by a dry run of the Deployment; only what Tightrope reads, or what is
often written in the wrong place, is declared here.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from tightrope.api.schema import Label, ListMap, OpenWire, Rule, Wire


class ContainerPort(OpenWire):
    container_port: int = Field(ge=1, le=65535, description="Port that the container listens on.")
    name: str | None = Field(None, min_length=1, max_length=15, description="Name of the port.")
    protocol: Literal["TCP", "UDP", "SCTP"] | None = Field(None, description="TCP when absent.")


class Container(OpenWire):
    name: Label = Field(description="Name of the container; patches find it by this name.")
    ports: list[ContainerPort] | None = Field(
        None, max_length=32, description="Ports; the service's own Service offers the same ones."
    )


class TemplatePodSpec(OpenWire):
    containers: Annotated[list[Container], Field(min_length=1, max_length=16), ListMap("name")] = Field(
        description="The pod's containers, as in a Deployment."
    )
    restart_policy: Literal["Always"] | None = Field(None, description="Always, as in every Deployment.")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.containers.exists(c, has(c.ports) && size(c.ports) > 0)",
            "containers: one of them needs ports, such as [{name: http, containerPort: 8080}]: requests come in there",
            lambda spec: any(container.ports for container in spec.containers),
        ),
    )


class TemplateMetadata(OpenWire):
    labels: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]],
        Field(max_length=32),
        Rule(
            "self.all(k, !k.startsWith('tightrope.dev/'))",
            "must not use keys under tightrope.dev/: the operator sets those itself",
            lambda labels: not any(key.startswith("tightrope.dev/") for key in labels),
        ),
    ] = Field({}, description="Labels of the pods, beside those that the operator sets.")


class PodTemplate(Wire):
    """The pods of every variant, as in a Deployment."""

    metadata: TemplateMetadata | None = Field(None, description="Labels and annotations of the pods.")
    spec: TemplatePodSpec = Field(description="The pod, as in a Deployment.")


class PatchContainer(OpenWire):
    name: Label = Field(description="Which container of the template to change; a new name adds a container.")


class PatchPodSpec(OpenWire):
    containers: list[PatchContainer] | None = Field(
        None, max_length=16, description="Changes to containers, each found by its name."
    )
    replicas: int | None = Field(None, description="Refused: spec.replicas says how many there may be.")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.replicas)",
            "replicas cannot be patched: write spec.replicas.min and spec.replicas.max",
            lambda spec: spec.replicas is None,
        ),
    )


class Patch(Wire):
    """A strategic merge patch over spec.template."""

    metadata: TemplateMetadata | None = Field(None, description="Labels and annotations to add or change.")
    spec: PatchPodSpec | None = Field(None, description="Changes to the pod.")
    replicas: int | None = Field(None, description="Refused: spec.replicas says how many there may be.")
    template: dict[str, Any] | None = Field(None, description="Refused: the patch is already over the template.")
    containers: list[dict[str, Any]] | None = Field(
        None, max_length=16, description="Refused: containers stand under spec."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.replicas)",
            "replicas cannot be patched: write spec.replicas.min and spec.replicas.max",
            lambda patch: patch.replicas is None,
        ),
        Rule(
            "!has(self.template) && !has(self.containers)",
            "a patch is over the pod template: write spec: {containers: [{name: ..., ...}]}",
            lambda patch: patch.template is None and patch.containers is None,
        ),
        Rule(
            "has(self.metadata) || has(self.spec) || has(self.replicas) || has(self.template) || has(self.containers)",
            "must change something: write spec: {containers: [{name: ..., ...}]}, or leave patch out",
            lambda patch: bool(patch.model_fields_set),
        ),
    )
