"""Faults happen in order, are written down, and are taken back; played on a lab that only takes notes."""

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tightrope.lab import scenario
from tightrope.lab.errors import LabError
from tightrope.lab.fault_schedule import FaultSchedule, in_force
from tightrope.lab.record import FaultSpan
from tightrope.lab.scenario import PodFault


class Notes:
    """Stands for lab, emulator and recorder at once, and notes what is asked of each."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.spans: list[FaultSpan] = []
        self.ended: list[int] = []
        self.prices: dict[str, float] = {}
        self.broken = False

    def stop_prometheus(self) -> None:
        if self.broken:
            raise LabError("Prometheus does not stop")
        self.asked.append("stop prometheus")

    def start_prometheus(self) -> None:
        self.asked.append("start prometheus")

    def restart_api_server(self) -> None:
        self.asked.append("restart api server")

    def restart_operator(self) -> None:
        self.asked.append("restart operator")

    def cloud(self) -> Any:
        return SimpleNamespace(set_nodes_left=lambda pool, nodes: self.asked.append((pool, nodes)))

    def kubectl(self, *args: str) -> Any:
        self.asked.append(args[:3])
        return SimpleNamespace(returncode=0, stderr="")

    def fail(self, faults: dict[str, Any]) -> None:
        self.asked.append({kind: pods for kind, pods in faults.items() if pods})

    def fault_began(self, span: FaultSpan) -> int:
        self.spans.append(span)
        return len(self.spans) - 1

    def fault_ended(self, number: int, now: float) -> None:
        self.ended.append(number)


def played(*faults: dict[str, Any], broken: bool = False, stop: bool = False) -> tuple[Notes, FaultSchedule]:
    raw = yaml.safe_load((scenario.SCENARIOS / "demo.yaml").read_text()) | {"faults": list(faults)}
    notes: Any = Notes()
    notes.broken = broken
    schedule = FaultSchedule(
        scenario.parse(yaml.safe_dump(raw), source="test"),
        lab=notes,
        emulator=notes,
        recorder=notes,
        restart_operator=notes.restart_operator,
    )
    stopping = threading.Event()
    if stop:
        stopping.set()
    # Begun long ago: every step is due.
    schedule.run(time.time() - (0 if stop else 1000), stopping)
    return notes, schedule


def test_an_outage_begins_and_ends_and_blinds_everyone() -> None:
    notes, _ = played({"at": "10s", "kind": "prometheus-down", "for": "40s"})
    assert notes.asked == ["stop prometheus", "start prometheus"] and notes.ended == [0]
    assert notes.spans[0].blinding and notes.spans[0].services == ("nlp/sentiment",)


def test_faults_happen_in_order_of_time_whatever_their_order_in_the_file() -> None:
    notes, _ = played(
        {"at": "50s", "kind": "operator-killed"},
        {"at": "10s", "kind": "prometheus-down", "for": "90s"},
        {"at": "20s", "kind": "api-server-restart"},
        {"at": "30s", "kind": "nodes-left", "pool": "l4", "nodes": 0},
        {"at": "15s", "kind": "silent", "for": "10s", "service": "nlp/sentiment"},
    )
    silent, spoken = {"silent": ["nlp/sentiment-*"]}, dict[str, Any]()
    restarts = ["restart api server", spoken, ("l4", 0), "restart operator"]
    assert notes.asked == ["stop prometheus", silent, *restarts, "start prometheus"]


def test_faults_of_pods_add_up_and_are_taken_back_one_by_one() -> None:
    notes, _ = played(
        {"at": "10s", "kind": "silent", "for": "40s", "service": "nlp/sentiment", "variant": "gpu"},
        {"at": "20s", "kind": "nan", "for": "10s", "service": "nlp/sentiment"},
    )
    silent, nan = {"silent": ["nlp/sentiment-gpu-*"]}, {"nan": ["nlp/sentiment-*"]}
    assert notes.asked == [silent, silent | nan, silent, {}]


def test_a_price_changes_in_the_cluster_and_in_the_books() -> None:
    notes, _ = played({"at": "10s", "kind": "price-change", "pool": "l4", "perNodeHour": "0.9"})
    assert notes.asked == [("patch", "computepool", "l4")] and notes.prices == {"l4": 0.9}


def test_a_fault_that_cannot_be_made_is_an_error_of_the_run() -> None:
    _, schedule = played({"at": "10s", "kind": "prometheus-down", "for": "40s"}, broken=True)
    assert str(schedule.error) == "Prometheus does not stop"


def test_nothing_more_happens_once_the_run_is_over() -> None:
    notes, _ = played({"at": "10s", "kind": "prometheus-down", "for": "40s"}, stop=True)
    assert notes.asked == []


@pytest.mark.parametrize("kind", ["silent", "nan", "reset"])
def test_the_emulator_is_told_by_pattern(kind: str) -> None:
    fault = PodFault.model_validate({"at": "1s", "kind": kind, "for": "1s", "service": "a/b", "variant": "c"})
    assert in_force([fault])[kind] == ["a/b-c-*"]


def test_a_renamed_metric_is_told_as_a_switch() -> None:
    fault = PodFault.model_validate({"at": "1s", "kind": "rename", "for": "1s", "service": "a/b"})
    assert in_force([fault])["rename"] == {"a/b-*": True}
