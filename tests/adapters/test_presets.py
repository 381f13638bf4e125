"""Each preset, asked of the real Prometheus that scrapes that server's exporter: do the numbers come out right?"""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_asking import client, sample, settled, until
from prometheus_server import FakePod, RealPrometheus, Scraped

from tightrope.adapters.prometheus import GenericNames, TargetLabels
from tightrope.adapters.prometheus.queries import catalogue, snapshot_queries
from tightrope.lab.exporters import PodCounters, cadvisor, dcgm, generic, triton, vllm
from tightrope.ports import PodKey

RENDER = {"generic": generic.render, "vllm": vllm.render, "triton": triton.render}
PRESETS = pytest.mark.parametrize("preset", list(RENDER))


def renamed(counters: PodCounters) -> str:
    """A server of somebody else's making."""
    text = generic.render(counters).replace("code=", "status=").replace("http_requests_total", "app:answers")
    return text.replace("http_request_duration_seconds", "app_latency").replace("http_requests_in_flight", "app_busy")


def older_vllm(counters: PodCounters) -> str:
    """A release that knows the gaps between tokens under their former name only."""
    return vllm.render(counters).replace("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds")


def pods() -> dict[str, FakePod]:
    """Every pod of the module, by name."""
    made = [FakePod(render=renamed, name="renamed", rate=30, failing=3.0)]
    for preset, render in RENDER.items():
        busy = {"failing": 2.0, "queued": 5, "running": 3, "gpu": 0.65, "cpu_cores": 1.5}
        made.append(FakePod(render=render, name=f"{preset}-busy", rate=40, good=0.9, **busy))  # type: ignore[arg-type]
        made.append(FakePod(render=render, name=f"{preset}-queueing", rate=40, queue_growth=15.0))
        made.append(FakePod(render=render, name=f"{preset}-idle", rate=0.0, running=0.0))
    made += [
        FakePod(render=generic.render, name="twin", rate=10),
        FakePod(render=generic.render, name="twin", namespace="other", rate=70),
        FakePod(render=generic.render, name="liar", rate=1),
        FakePod(render=older_vllm, name="vllm-older", rate=20),
    ]
    return {f"{pod.name}.{pod.namespace}": pod for pod in made}


@pytest.fixture(scope="module")
def crowd() -> dict[str, FakePod]:
    return pods()


@pytest.fixture(scope="module")
def prometheus(start_prometheus: Any, crowd: dict[str, FakePod]) -> Iterator[RealPrometheus]:
    scraped = Scraped(list(crowd.values()))
    claim = 'http_requests_total{code="200",namespace="other",pod="twin"}'
    scraped.instead["nlp", "liar"] = lambda _: f"{claim} {1000 * time.monotonic():.0f}\n"
    scraped.node_text = lambda counters: dcgm.render(counters) + cadvisor.render(counters)
    with start_prometheus(scraped) as running:
        yield running


@pytest.mark.lab
@PRESETS
async def test_a_preset_reads_what_the_server_exports(
    preset: str, prometheus: RealPrometheus, crowd: dict[str, FakePod]
) -> None:
    pod = crowd[f"{preset}-busy.nlp"]
    async with client(prometheus) as metrics:
        snapshot = await until(metrics, preset, settled(preset, pod))

    seen = sample(snapshot, preset, pod)
    assert snapshot.failures == {}
    # The emulated vLLM server fails requests before their first token, so the histogram never sees them.
    assert seen.arrivals == pytest.approx(38.0 if preset == "vllm" else 40.0, rel=0.05)
    assert seen.errors == pytest.approx(2.0, rel=0.05)
    assert seen.in_flight == pytest.approx(5.0 if preset == "triton" else 8.0)
    assert seen.gpu_utilisation == pytest.approx(0.65)
    assert seen.cpu_cores == pytest.approx(1.5, rel=0.05)
    assert seen.latency is not None
    assert [bound for bound, _ in seen.latency] == [0.1, 0.3, 0.5, float("inf")]
    assert [count for _, count in seen.latency] == pytest.approx([34.2, 34.2, 38.0, 38.0], rel=0.05)
    assert seen.newest_sample_at is not None
    assert 0 <= snapshot.at - seen.newest_sample_at < 2.0


@pytest.mark.lab
@pytest.mark.parametrize(("pod_name", "finished"), [("vllm-busy.nlp", 38.0), ("vllm-older.nlp", 20.0)])
async def test_first_tokens_and_gaps_are_read_of_new_and_older_releases_side_by_side(
    pod_name: str, finished: float, prometheus: RealPrometheus, crowd: dict[str, FakePod]
) -> None:
    pod = crowd[pod_name]
    async with client(prometheus) as metrics:
        seen = sample(await until(metrics, "vllm", settled("vllm", pod)), "vllm", pod)

    assert seen.ttft is not None and seen.itl is not None
    assert dict(seen.ttft)[0.3] == pytest.approx(0.9 * finished, rel=0.05)
    assert dict(seen.itl)[0.025] == pytest.approx(9.0 * finished, rel=0.05)
    assert seen.itl[-1] == (float("inf"), pytest.approx(10.0 * finished, rel=0.05))


@pytest.mark.lab
@pytest.mark.parametrize("preset", ["generic", "triton"])
async def test_a_preset_without_tokens_asks_for_none(
    preset: str, prometheus: RealPrometheus, crowd: dict[str, FakePod]
) -> None:
    async with client(prometheus) as metrics:
        snapshot = await until(metrics, preset, settled(preset, crowd[f"{preset}-busy.nlp"]))

    assert not [signal for _, signal in snapshot.metric_names if signal in ("ttft", "itl")]


@pytest.mark.lab
@PRESETS
async def test_requests_that_only_queue_up_count_as_arrivals(
    preset: str, prometheus: RealPrometheus, crowd: dict[str, FakePod]
) -> None:
    pod = crowd[f"{preset}-queueing.nlp"]
    async with client(prometheus) as metrics:
        seen = sample(await until(metrics, preset, settled(preset, pod)), preset, pod)

    assert seen.arrivals == pytest.approx(40.0, rel=0.05)
    assert seen.latency is not None
    assert seen.latency[-1][1] == pytest.approx(25.0, rel=0.05)


@pytest.mark.lab
@PRESETS
async def test_an_idle_server_is_known_to_have_no_demand(
    preset: str, prometheus: RealPrometheus, crowd: dict[str, FakePod]
) -> None:
    pod = crowd[f"{preset}-idle.nlp"]
    async with client(prometheus) as metrics:
        seen = sample(await until(metrics, preset, settled(preset, pod)), preset, pod)

    assert (seen.arrivals, seen.errors, seen.in_flight) == (0.0, 0.0, 0.0)
    assert seen.latency is not None
    assert seen.latency[-1][1] == 0.0


@pytest.mark.lab
async def test_namespaces_never_mix_whatever_a_tenant_exports(
    prometheus: RealPrometheus, crowd: dict[str, FakePod]
) -> None:
    ours, theirs = crowd["twin.nlp"], crowd["twin.other"]
    async with client(prometheus) as metrics:
        snapshot = await until(metrics, "generic", settled("generic", ours, theirs))

    assert sample(snapshot, "generic", ours).arrivals == pytest.approx(10, rel=0.05)
    # A third pod claims in its own labels to be theirs, a thousand requests per second more.
    assert sample(snapshot, "generic", theirs).arrivals == pytest.approx(70, rel=0.05)


@pytest.mark.lab
async def test_the_admin_may_name_metrics_and_labels(prometheus: RealPrometheus, crowd: dict[str, FakePod]) -> None:
    pod = crowd["renamed.nlp"]
    names = GenericNames(
        requests_total="app:answers", latency_histogram="app_latency", in_flight=None, status_label="status",
        ttft_histogram="app_latency",
    )  # fmt: skip
    async with client(prometheus, generic=names) as metrics:
        snapshot = await until(metrics, "generic", settled("generic", pod))

    seen = sample(snapshot, "generic", pod)
    assert seen.arrivals == pytest.approx(30, rel=0.05)
    assert seen.errors == pytest.approx(3, rel=0.05)
    assert seen.in_flight is None
    assert (seen.ttft, seen.itl) == (seen.latency, None)
    assert ("generic", "in_flight") not in snapshot.metric_names
    assert snapshot.metric_names["generic", "arrivals"] == "app:answers"


@pytest.mark.lab
async def test_a_scrape_without_pod_labels_is_named_as_the_fault(prometheus: RealPrometheus) -> None:
    async with client(prometheus, labels=TargetLabels(pod="kubernetes_pod_name")) as metrics:
        snapshot = await until(metrics, "generic", lambda seen: bool(seen.failures))

    assert snapshot.failures["generic", "arrivals"] == (
        "no series of http_requests_total carries the labels 'namespace' and 'kubernetes_pod_name': "
        "does its scrape add them?"
    )


@pytest.mark.lab
async def test_the_history_holds_the_demand_of_earlier(prometheus: RealPrometheus, crowd: dict[str, FakePod]) -> None:
    pod = crowd["twin.other"]
    async with client(prometheus) as metrics:
        await until(metrics, "generic", settled("generic", pod))
        await asyncio.sleep(2)
        end = time.time()
        history = await metrics.history(["generic"], start=end - 2, end=end, step_seconds=1)

    earlier = history["generic"][PodKey(pod.namespace, pod.name)]
    assert len(earlier.arrivals) >= 2
    assert [at % 1 for at, _ in earlier.arrivals] == [0.0] * len(earlier.arrivals)
    assert [value for _, value in earlier.arrivals] == pytest.approx([70.0] * len(earlier.arrivals), rel=0.05)
    good = [dict(buckets)[0.3] for _, buckets in earlier.latency]
    assert good == pytest.approx([63.0] * len(earlier.latency), rel=0.05)


@pytest.mark.lab
@pytest.mark.parametrize("spelt_by_exporter", [True, False])
async def test_the_gpu_of_a_moved_label_is_still_its_pods(spelt_by_exporter: bool, start_prometheus: Any) -> None:
    busy, calm = FakePod(render=triton.render, name="a", gpu=0.9), FakePod(render=triton.render, name="b", gpu=0.2)
    scraped = Scraped([busy, calm])
    scraped.honour_labels = spelt_by_exporter
    # Either Prometheus moves the labels, or the exporter writes them as Prometheus would have stored them.
    scraped.node_text = lambda counters: dcgm.render(counters, honour_labels=not spelt_by_exporter)
    with start_prometheus(scraped) as prometheus:
        async with client(prometheus) as metrics:
            snapshot = await until(
                metrics, "triton", lambda seen: sample(seen, "triton", calm).gpu_utilisation is not None
            )

    assert sample(snapshot, "triton", busy).gpu_utilisation == pytest.approx(0.9)
    assert sample(snapshot, "triton", calm).gpu_utilisation == pytest.approx(0.2)


def test_every_query_is_short_enough_for_a_url() -> None:
    labels = TargetLabels(namespace="kubernetes_namespace", pod="kubernetes_pod_name")
    presets = list(catalogue(labels, GenericNames()).values())
    assert all(len(query.text) < 1500 for query in snapshot_queries(presets, labels, 60.0))


@pytest.mark.parametrize("bad", ['x"} or vector(1) #', "a b", "1x", "", "namespace\n", "π"])
def test_a_label_or_metric_name_that_is_none_is_refused_with_advice(bad: str) -> None:
    with pytest.raises(ValueError, match="write letters, digits"):
        TargetLabels(pod=bad)
    with pytest.raises(ValueError, match="write letters, digits"):
        GenericNames(requests_total=bad)
