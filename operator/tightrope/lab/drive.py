"""Carries a scenario out on a running lab: sets everything up, starts emulator and operator, lets the time pass, and
keeps the record. The demo and the end-to-end tests call it.

The operator runs as a process of its own under its own ServiceAccount; this module reads neither its log nor its
memory, only what anybody can read in the API server.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from tightrope.lab import true_capacity
from tightrope.lab.emulator_client import seconds_of, start_emulator
from tightrope.lab.errors import LabError
from tightrope.lab.fault_schedule import FaultSchedule
from tightrope.lab.lab import CRDS, Lab, NodePool
from tightrope.lab.programs import Progress
from tightrope.lab.record import Record, ServiceRecord, VariantFacts
from tightrope.lab.recorder import Recorder
from tightrope.lab.scenario import Scenario, ServicePlan

OPERATOR: Final = "operator"
_READY_SECONDS: Final = 60.0
_KILLED_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.1
_SAMPLE_SECONDS: Final = 1.0

Watch = Callable[[Record, float], None]


def node_pools(scenario: Scenario) -> list[NodePool]:
    """The emulated nodes behind the scenario's ComputePools."""
    pools = []
    for plan in scenario.pools:
        node, pool = plan.manifest["spec"]["node"], plan.parsed.pool
        pools.append(
            NodePool(
                name=pool.name,
                cpu=str(node["cpu"]),
                memory=str(node["memory"]),
                accelerators=pool.node.accelerators,
                initial_nodes=plan.cloud.initial_nodes,
                max_nodes=pool.max_nodes,
                provision_seconds=plan.cloud.provision,
                idle_seconds=plan.cloud.idle,
            )
        )
    return pools


def empty_record(scenario: Scenario) -> Record:
    """The record before anything has happened, with what each replica truly carries (a second or two of work)."""
    return Record(
        scenario=scenario.name,
        started_at=0.0,
        duration_seconds=scenario.duration,
        tick_seconds=scenario.timing.tick,
        services=tuple(_empty_service(scenario, plan) for plan in scenario.services),
    )


def _empty_service(scenario: Scenario, plan: ServicePlan) -> ServiceRecord:
    service = plan.parsed.service
    pools = {pool.name: pool.parsed.pool for pool in scenario.pools}
    carries = true_capacity.of_variants(
        {name: server.model() for name, server in plan.servers.items()},
        [variant.name for variant in service.variants],
        threshold_seconds=service.objective.threshold_seconds,
        percent=service.objective.percent,
    )
    return ServiceRecord(
        name=plan.key,
        threshold_seconds=service.objective.threshold_seconds,
        percent=service.objective.percent,
        currency=pools[service.variants[0].pool].currency,
        variants=tuple(
            VariantFacts(
                name=variant.name,
                pool=variant.pool,
                capacity=carries[variant.name],
                price_per_node_hour=pools[variant.pool].price_per_node_hour,
                replicas_per_node=pools[variant.pool].replicas_per_node(variant.requests),
            )
            for variant in service.variants
        ),
    )


class Drive:
    """One scenario on one lab. `start` sets up, `run` lets the time pass. Methods raise LabError."""

    def __init__(self, lab: Lab, scenario: Scenario, progress: Progress) -> None:
        self.lab = lab
        self.scenario = scenario
        self._progress = progress
        self._operator_argv: list[str] = []
        self._restarting = False

    def start(self) -> None:
        """Everything up to the moment before the traffic: pools, services, emulator, operator, all replicas ready."""
        self.lab.apply(CRDS)
        self._progress("starting the emulated servers")
        self.emulator = start_emulator(self.lab)
        self.lab.scrape_targets(self.emulator.url)
        self.recorder = Recorder(
            empty_record(self.scenario),
            parsed={plan.key: plan.parsed for plan in self.scenario.services},
            prices={pool.name: pool.parsed.pool.price_per_node_hour for pool in self.scenario.pools},
            connect=self.lab.api,
        )
        if not self.recorder.start(seconds=_READY_SECONDS):
            raise LabError("the API server did not list what there is to record")
        self._progress("applying the compute pools and the service")
        self._apply_manifests()
        self._progress("starting the operator under its own service account")
        self._operator_argv = operator_argv(self.lab, self.scenario)
        self.lab.spawn(OPERATOR, self._operator_argv)
        self._await_ready()

    def run(self, watch: Watch) -> Record:
        """The traffic and the faults, for as long as the scenario says; `watch` gets the record about once a second."""
        self.emulator.serve({plan.key: emulated(plan) for plan in self.scenario.services})
        began = time.time()
        self.recorder.begin(began)
        stopping = threading.Event()
        faults = FaultSchedule(
            self.scenario,
            lab=self.lab,
            emulator=self.emulator,
            recorder=self.recorder,
            restart_operator=self._restart_operator,
        )
        threading.Thread(target=faults.run, args=(began, stopping), name="lab-faults", daemon=True).start()
        try:
            due = began
            while (now := time.time()) < began + self.scenario.duration:
                self._sample(began, now)
                if faults.error is not None:
                    raise faults.error
                watch(self.recorder.record(), now)
                due = max(due + _SAMPLE_SECONDS, time.time())
                time.sleep(max(0.0, min(due, began + self.scenario.duration) - time.time()))
        finally:
            stopping.set()
        self._sample(began, began + self.scenario.duration)
        return self.recorder.record()

    def _sample(self, began: float, now: float) -> None:
        self.recorder.sample(now, seconds_of(self.emulator.truth(max(began, now - 10 * _SAMPLE_SECONDS))))
        operator = self.lab.program(OPERATOR)
        ended = [operator] if operator.poll() is not None and not self._restarting else []
        for program in [*self.lab.dead(), *ended]:
            raise LabError(f"{program.name} ended with {program.poll()}; its log ends:\n{program.tail()}")

    def _apply_manifests(self) -> None:
        namespaces = {plan.parsed.service.key.namespace for plan in self.scenario.services}
        manifests: list[Mapping[str, Any]] = [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in sorted(namespaces)
        ]
        manifests += [pool.manifest for pool in self.scenario.pools]
        manifests += [plan.manifest for plan in self.scenario.services]
        for manifest in manifests:
            done = self.lab.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(manifest))
            if done.returncode != 0:
                raise LabError(f"kubectl apply: {done.stderr.strip()}")

    def _await_ready(self) -> None:
        """Until every service has a first plan and its replicas are ready."""
        deadline = time.monotonic() + _READY_SECONDS
        operator = self.lab.program(OPERATOR)
        while not all(self.recorder.ready(plan.key) for plan in self.scenario.services):
            if operator.poll() is not None:
                raise LabError(f"the operator ended with {operator.poll()}; its log ends:\n{operator.tail()}")
            if time.monotonic() > deadline:
                raise LabError(
                    f"no service was ready after {_READY_SECONDS:.0f} s; the operator's log ends:\n{operator.tail()}"
                )
            time.sleep(_POLL_SECONDS)

    def _restart_operator(self) -> None:
        operator = self.lab.program(OPERATOR)
        self._restarting = True
        operator.kill()
        operator.wait(_KILLED_SECONDS)
        self.lab.spawn(OPERATOR, self._operator_argv)
        self._restarting = False


def emulated(plan: ServicePlan) -> dict[str, Any]:
    """What the emulator is told of one service."""
    traffic = plan.traffic.model_dump(mode="json", exclude_unset=True)
    if plan.traffic.trace is not None:
        traffic["trace"] = str(plan.traffic.trace.absolute())  # the emulator works in the lab's directory
    return {
        "preset": plan.parsed.preset,
        "traffic": traffic,
        "servers": {name: server.model_dump(mode="json", exclude_unset=True) for name, server in plan.servers.items()},
        "threshold_seconds": plan.parsed.service.objective.threshold_seconds,
    }


def operator_argv(lab: Lab, scenario: Scenario) -> list[str]:
    """The operator's command line, with its own token and the scenario's timing."""
    timing = scenario.timing
    return [
        sys.executable,
        "-m",
        "tightrope.cli",
        "run",
        f"--kubeconfig={lab.operator_kubeconfig()}",
        f"--prometheus-url={lab.prometheus_url}",
        f"--tick-seconds={timing.tick:g}",
        f"--rate-window-seconds={timing.rate_window:g}",
        f"--max-sample-age-seconds={max(2 * timing.rate_window, 5):g}",
        "--metrics-host=127.0.0.1",
        "--metrics-port=0",
        "--leader-election=off",
    ]
