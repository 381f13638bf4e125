"""What the lab's Prometheus is told to scrape."""

from pathlib import Path

import pytest
import yaml

from tightrope.lab.errors import LabError
from tightrope.lab.programs import Programs
from tightrope.lab.prometheus_server import PrometheusServer, scrape_jobs


def server(directory: Path) -> PrometheusServer:
    programs = Programs(paths={"prometheus": Path("/bin/prometheus")})
    return PrometheusServer(directory=directory, programs=programs, port=20001, scrape_seconds=2.5)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://127.0.0.1:8000/", "http://127.0.0.1:8000/sd"])
def test_pods_are_discovered_and_the_nodes_exporters_keep_their_own_labels(url: str) -> None:
    pods, nodes = scrape_jobs(url)
    assert pods["http_sd_configs"][0]["url"] == "http://127.0.0.1:8000/sd"
    assert "honor_labels" not in pods
    assert nodes["honor_labels"] is True
    assert nodes["metrics_path"] == "/node-metrics"
    assert nodes["static_configs"] == [{"targets": ["127.0.0.1:8000"]}]


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "https://x", "", "http://"])
def test_a_targets_url_that_cannot_be_scraped_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(LabError, match=r"write the emulator's, such as http://127\.0\.0\.1:8000"):
        scrape_jobs(url)


def test_the_interval_is_written_in_milliseconds_and_nothing_is_scraped_without_an_emulator(tmp_path: Path) -> None:
    prometheus = server(tmp_path)
    prometheus.write_config(None)
    config = yaml.safe_load(prometheus.config_file.read_text())
    assert config["global"]["scrape_interval"] == config["global"]["scrape_timeout"] == "2500ms"
    assert config["scrape_configs"] == []
    prometheus.write_config("http://127.0.0.1:8000")
    assert len(yaml.safe_load(prometheus.config_file.read_text())["scrape_configs"]) == 2


def test_it_listens_on_the_loopback_interface_only_and_stores_under_the_lab(tmp_path: Path) -> None:
    arguments = server(tmp_path).arguments()
    assert "--web.listen-address=127.0.0.1:20001" in arguments
    assert f"--storage.tsdb.path={tmp_path}/data/prometheus" in arguments


def test_a_prometheus_that_is_away_is_not_ready_and_says_so_when_asked(tmp_path: Path) -> None:
    prometheus = server(tmp_path)
    assert not prometheus.ready()
    for ask in (prometheus.reload, lambda: prometheus.query("up")):
        with pytest.raises(LabError, match=r"Prometheus at http://127\.0\.0\.1:20001"):
            ask()
