"""Where the lab finds its programs, in which order, and when a cached one no longer counts."""

import shutil
from pathlib import Path

import pytest

from tightrope.lab import programs
from tightrope.lab.programs import SOURCES

ETCD = next(source for source in SOURCES if source.name == "etcd")


@pytest.fixture(autouse=True)
def nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIGHTROPE_LAB_BIN", raising=False)
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def program(directory: Path, name: str, said: str = "") -> Path:
    """An executable that prints this whatever it is asked."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\nprintf '{said}\\n'\n")
    path.chmod(0o755)
    return path


def etcd_says(version: str) -> str:
    return f"etcd Version: {version}"


def test_versions_are_read_from_the_modules_and_prometheus_release_is_spelled_as_people_know_it() -> None:
    versions = {source.name: programs.pinned_version(source) for source in SOURCES}
    assert versions["kube-apiserver"] == versions["kubectl"] == "1.37.2"
    assert versions["prometheus"] == "3.16.0"


def test_kubernetes_programs_are_told_their_version_and_prometheus_goes_without_cloud_discoveries() -> None:
    flags = {source.name: " ".join(programs.build_flags(source)) for source in SOURCES}
    assert "k8s.io/component-base/version.gitVersion=v1.37.2" in flags["kube-apiserver"]
    assert "gitMinor=37" in flags["helm"]
    assert "-tags remove_all_sd" in flags["prometheus"]
    assert all("-trimpath" in line and "-mod=readonly" in line for line in flags.values())


def test_the_named_directory_wins_over_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = program(tmp_path / "named", "etcd", "whatever")
    program(tmp_path / "path", "etcd", etcd_says(programs.pinned_version(ETCD)))
    program(programs.cache_directory(), "etcd")
    monkeypatch.setenv("TIGHTROPE_LAB_BIN", str(named.parent))
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    assert programs.find(ETCD) == named


def test_a_program_on_path_counts_only_in_the_right_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    cached = program(programs.cache_directory(), "etcd")
    program(tmp_path / "path", "etcd", etcd_says("3.4.0"))
    assert programs.find(ETCD) == cached
    right = program(tmp_path / "path", "etcd", etcd_says(programs.pinned_version(ETCD)))
    assert programs.find(ETCD) == right


def test_old_kubebuilder_assets_are_passed_over_aloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    old = program(tmp_path / "assets", "etcd", etcd_says("3.4.0"))
    said: list[str] = []
    assert programs.find(ETCD, said.append) is None
    assert said == [f"{old} (KUBEBUILDER_ASSETS) is 3.4.0, the lab needs {programs.pinned_version(ETCD)}"]


def test_what_is_not_executable_is_not_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIGHTROPE_LAB_BIN", str(tmp_path))
    (tmp_path / "etcd").write_text("half a download")
    assert programs.find(ETCD) is None


@pytest.mark.parametrize("name", ["go.mod", "go.sum"])
@pytest.mark.parametrize("module", ["kubernetes", "prometheus"])
def test_the_cache_changes_with_every_version_and_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    before = programs.versions_hash()
    shutil.copytree(programs.MODULES, tmp_path / "modules")
    monkeypatch.setattr(programs, "MODULES", tmp_path / "modules")
    assert programs.versions_hash() == before
    with (tmp_path / "modules" / module / name).open("a") as file:
        file.write("\n// changed\n")
    assert programs.versions_hash() != before


def test_the_cache_changes_with_the_build_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    before = programs.versions_hash()
    monkeypatch.setattr(programs, "build_flags", lambda source: ("-race",))
    assert programs.versions_hash() != before


def test_a_relative_cache_home_is_ignored_as_its_standard_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert programs.cache_root() == Path.home() / ".cache" / "tightrope" / "lab"


def test_nothing_is_compiled_when_everything_is_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    for source in SOURCES:
        program(programs.cache_directory(), source.name)
    monkeypatch.setenv("PATH", "")
    found = programs.prepare(progress=pytest.fail)
    assert found["kwok"] == str(programs.cache_directory() / "kwok")
