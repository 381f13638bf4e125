"""Which service and variant a pod's samples belong to, also when the pod is gone.

`observe` calls this. A rate window still holds what just-deleted pods served, and after a restart nobody remembers
them: their names do, because a workload's pods are named after it. Namespaces never mix: every key carries one.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tightrope.domain.spec import ServiceKey
from tightrope.ports import PodKey

# Kubernetes draws hashes and random suffixes from letters and digits that spell no words and look unlike each other
# (k8s.io/apimachinery, util/rand), so `sentiment-foo-abcde` is never taken for a pod of `sentiment`.
_SAFE = "[bcdfghjklmnpqrstvwxz2456789]"
_DEPLOYMENT_POD = re.compile(rf"(?P<workload>.+)-{_SAFE}{{1,10}}-{_SAFE}{{5}}")
_STATEFUL_SET_POD = re.compile(r"(?P<workload>.+)-\d+")
# A generated name is cut to 58 characters before its five random ones (apiserver, storage/names): the dash is lost.
_CUT_DEPLOYMENT_POD = re.compile(rf"(?P<workload>.{{1,57}})-{_SAFE}{{0,10}}-?{_SAFE}{{5}}")
_LONGEST_GENERATED_NAME = 63


class Owner(NamedTuple):
    """The service and variant that a pod serves."""

    service: ServiceKey
    variant: str


class WorkloadKey(NamedTuple):
    """A Deployment, StatefulSet or LeaderWorkerSet by name."""

    namespace: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Owners of pods and of workloads. A pod or workload that two services claim belongs to the first."""

    pods: Mapping[PodKey, Owner] = field(default_factory=dict)
    workloads: Mapping[WorkloadKey, Owner] = field(default_factory=dict)

    def owner(self, key: PodKey) -> Owner | None:
        """The owner of this pod; None for a pod of somebody else."""
        return self.pods.get(key) or self._by_name(key)

    def _by_name(self, key: PodKey) -> Owner | None:
        for kind, workload in candidates(key.pod):
            found = self.workloads.get(WorkloadKey(key.namespace, kind, workload))
            if found is not None:
                return found
        return None


def pod_pattern(kind: str, workload: str) -> str:
    """A regular expression (RE2) for the whole names of the pods of this workload, as `candidates` takes them apart.
    The leader of a group stands for the group."""
    name = re.escape(workload)
    if kind != "Deployment":
        return rf"{name}-\d+"
    longest = _LONGEST_GENERATED_NAME - len("-12345")
    if len(workload) < longest - len("-1234567890"):
        return rf"{name}-{_SAFE}{{1,10}}-{_SAFE}{{5}}"
    return rf"{name}-{_SAFE}{{0,10}}-?{_SAFE}{{5}}"


def candidates(pod: str) -> Iterable[tuple[str, str]]:
    """(kind, name) of the workloads that a pod of this name may belong to."""
    if match := _DEPLOYMENT_POD.fullmatch(pod):
        yield "Deployment", match["workload"]
    if match := _STATEFUL_SET_POD.fullmatch(pod):
        yield "StatefulSet", match["workload"]
        # The leader of a group is called as a StatefulSet's pod is; its workers have one number more.
        yield "LeaderWorkerSet", match["workload"]
    if len(pod) == _LONGEST_GENERATED_NAME and (match := _CUT_DEPLOYMENT_POD.fullmatch(pod)):
        yield "Deployment", match["workload"]
