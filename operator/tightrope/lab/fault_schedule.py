"""Makes the faults of a scenario happen, each at its time, and tells the recorder. `drive` runs it in a thread."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tightrope.lab.emulator_client import Emulator
from tightrope.lab.errors import LabError
from tightrope.lab.lab import Lab
from tightrope.lab.record import FaultSpan
from tightrope.lab.recorder import Recorder
from tightrope.lab.scenario import Fault, NodesLeft, PodFault, PriceChange, PrometheusDown, Restart, Scenario

_UNSEEN: Final = {"silent", "nan", "rename"}  # counters that begin again are still seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """How one fault is done: what begins it, what ends it (None: it is over as soon as it is done)."""

    label: str
    begin: Callable[[], None]
    end: Callable[[], None] | None = None
    blinding: bool = False
    services: tuple[str, ...] = ()


class FaultSchedule:
    """The faults of one run. `error` is what went wrong with them, if anything did."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        lab: Lab,
        emulator: Emulator,
        recorder: Recorder,
        restart_operator: Callable[[], None],
    ) -> None:
        self.error: LabError | None = None
        self._scenario = scenario
        self._lab = lab
        self._emulator = emulator
        self._recorder = recorder
        self._restart_operator = restart_operator
        self._pod_faults: list[PodFault] = []

    def run(self, began: float, stopping: threading.Event) -> None:
        """Every begin and end, in order of time, until all have been or `stopping` is set."""
        pending = sorted(self._scenario.faults, key=lambda fault: fault.at)
        lasting: list[tuple[float, int, Act]] = []  # (seconds into the run, number in the record, act)
        try:
            while pending or lasting:
                ends = min(lasting, key=lambda entry: entry[0], default=None)
                begins = pending[0] if pending else None
                if begins is not None and (ends is None or begins.at < ends[0]):
                    if stopping.wait(max(0.0, began + begins.at - time.time())):
                        return
                    lasting += self._begin(pending.pop(0))
                elif ends is not None:
                    if stopping.wait(max(0.0, began + ends[0] - time.time())):
                        return
                    lasting.remove(ends)
                    self._end(ends[1], ends[2])
        except LabError as error:
            self.error = error

    def _begin(self, fault: Fault) -> list[tuple[float, int, Act]]:
        """Begin it; what there is to end, if it lasts."""
        act = self._act(fault)
        number = self._recorder.fault_began(
            FaultSpan(label=act.label, start=time.time(), end=None, blinding=act.blinding, services=act.services)
        )
        act.begin()
        if act.end is None:
            self._recorder.fault_ended(number, time.time())
            return []
        return [(fault.at + getattr(fault, "lasts", 0.0), number, act)]

    def _end(self, number: int, act: Act) -> None:
        if act.end is not None:
            act.end()
        self._recorder.fault_ended(number, time.time())

    def _act(self, fault: Fault) -> Act:
        everyone = tuple(plan.key for plan in self._scenario.services)
        match fault:
            case PrometheusDown():
                return Act(
                    label="Prometheus down",
                    begin=self._lab.stop_prometheus,
                    end=self._lab.start_prometheus,
                    blinding=True,
                    services=everyone,
                )
            case PodFault():
                return Act(
                    label=f"metrics {fault.kind}: {fault.variant or 'all pods'} of {fault.service}",
                    begin=lambda: self._fail_pods([*self._pod_faults, fault]),
                    end=lambda: self._fail_pods([other for other in self._pod_faults if other is not fault]),
                    blinding=fault.kind in _UNSEEN,
                    services=(fault.service,),
                )
            case Restart(kind="api-server-restart"):
                return Act(label="API server restarted", begin=self._lab.restart_api_server, services=everyone)
            case Restart():
                return Act(label="operator killed", begin=self._restart_operator, services=everyone)
            case NodesLeft():
                cloud = self._lab.cloud()
                return Act(
                    label=f"{fault.nodes} nodes left in {fault.pool}",
                    begin=lambda: cloud.set_nodes_left(fault.pool, fault.nodes),
                    services=everyone,
                )
            case PriceChange():
                return Act(
                    label=f"{fault.pool} now costs {fault.per_node_hour}",
                    begin=lambda: self._change_price(fault),
                    services=everyone,
                )

    def _fail_pods(self, faults: list[PodFault]) -> None:
        self._pod_faults = faults
        self._emulator.fail(in_force(faults))

    def _change_price(self, fault: PriceChange) -> None:
        patch = {"spec": {"price": {"perNodeHour": fault.per_node_hour}}}
        done = self._lab.kubectl("patch", "computepool", fault.pool, "--type=merge", "-p", json.dumps(patch))
        if done.returncode != 0:
            raise LabError(f"kubectl patch computepool {fault.pool}: {done.stderr.strip()}")
        self._recorder.prices[fault.pool] = float(fault.per_node_hour)


def in_force(faults: Sequence[PodFault]) -> dict[str, Any]:
    """The emulator's body for these faults: pods by namespace and prefix, `*` for any rest."""
    pods: dict[str, list[str]] = {"silent": [], "nan": [], "rename": [], "reset": []}
    for fault in faults:
        pods[fault.kind].append(f"{fault.service}-{fault.variant}-*" if fault.variant else f"{fault.service}-*")
    return {**pods, "rename": dict.fromkeys(pods["rename"], True)}
