"""The Dockerfile is executed, step by step, and what comes out is run as Kubernetes would: another user, read-only."""

import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from image import rootfs
from image.builder import built, working
from image.rootfs import Base, Build, Stage

ROOT = Path(__file__).resolve().parents[2]
OURS = ("/opt/tightrope", "/usr/share/sbom")
MEMORY, MEMORY_BYTES = Path("/dev/shm"), 6 * 2**30
REASON = rootfs.unable()

# Two builds: two to three minutes, more where the cores are taken or a builder copies whole file systems.
pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(900),
    pytest.mark.skipif(REASON is not None, reason=str(REASON)),
]


def listed() -> list[str]:
    """What a builder finds in the checkout, before it looks at .dockerignore."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in {".git", ".venv", "build"}]
        found += [str((Path(folder) / name).relative_to(ROOT)) for name in names]
    return sorted(found)


@pytest.fixture(scope="module")
def work() -> Iterator[Path]:
    """Room for two builds, more than a gigabyte: in memory if there is plenty, and gone at the end."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES
    with tempfile.TemporaryDirectory(prefix="image-", dir=MEMORY if roomy else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def base(work: Path) -> Base:
    return rootfs.base(work / "base")


@pytest.fixture(scope="module")
def image(work: Path, base: Base) -> Stage:
    return made(ROOT, listed(), base=base, work=work / "one")


def made(repository: Path, found: list[str], *, base: Base, work: Path) -> Stage:
    """The image of this checkout: by a builder if one works here, else step by step."""
    if builder := working():
        return built(builder, repository=repository, base=base, work=work, revision="abc")
    return Build(repository=repository, listed=found, base=base, work=work, args={"REVISION": "abc"}).result


def fingerprint(image: Stage) -> dict[str, str]:
    """Every file that the stage adds: kind, mode, owner, contents, and time, but for the base's folders above ours."""
    found = {}
    for name, path in image.layer.files():
        status = path.lstat()
        aged = f"{status.st_mtime:.0f}" if name.startswith(OURS) else ""
        found[name] = f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid} {aged} {contents(path)}"
    return found


def contents(path: Path) -> str:
    if path.is_symlink():
        return str(path.readlink())
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def inside(image: Stage, *command: str) -> str:
    """What a program of the base says about the image, asked as the image's user."""
    done = image.layer.run(command, user=image.user, env=image.env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_commands_run_as_the_charts_user_on_a_read_only_root(image: Stage) -> None:
    assert image.user == "65532:65532"
    for arguments in (["--help"], ["run", "--help"]):
        done = image.started(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert "Usage: tightrope" in done.stdout
    crds = image.started("crd")
    committed = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]
    assert sorted(yaml.safe_load_all(crds.stdout), key=str) == sorted(committed, key=str)


def test_the_operator_starts_and_says_what_is_missing(image: Stage) -> None:
    done = image.started()
    assert done.returncode == 2
    assert "prometheus" in done.stderr.lower() and "Traceback" not in done.stderr


def test_what_only_replays_need_is_left_out_and_named(image: Stage) -> None:
    done = image.started("replay", "--spec", "a.yaml", "--pools", "b.yaml", "--trace", "c.csv")
    assert done.returncode == 2
    assert done.stderr == '`tightrope replay` needs numba: pip install "tightrope[replay]"\n'
    names = {name.rsplit("/", 1)[-1].split("-")[0] for name, _ in image.layer.files() if name.endswith(".dist-info")}
    assert "tightrope" in names
    assert not names & {"numba", "llvmlite", "matplotlib", "scipy", "pytest", "hatchling", "cyclonedx_bom", "pip"}


def test_the_sbom_lists_exactly_what_is_installed(image: Stage) -> None:
    script = (
        "import importlib.metadata as m, json; "
        "print(json.dumps(sorted((d.name.lower().replace('_', '-'), d.version) for d in m.distributions())))"
    )
    installed = json.loads(inside(image, "/opt/tightrope/bin/python", "-c", script))
    sbom = json.loads(inside(image, "/bin/cat", "/usr/share/sbom/tightrope.cdx.json"))

    assert sbom["bomFormat"] == "CycloneDX"
    found = sorted([part["name"].lower().replace("_", "-"), part["version"]] for part in sbom["components"])
    assert found == installed
    assert len(found) > 30
    assert all(part["purl"].startswith("pkg:pypi/") for part in sbom["components"] if part["name"] != "tightrope")


def test_nothing_of_ours_can_be_written_by_the_user_or_lends_rights(image: Stage) -> None:
    assert inside(image, "/usr/bin/find", *OURS, "-writable", "-not", "-type", "l") == ""
    for name, path in image.layer.files():
        status = path.lstat()
        assert (status.st_uid, status.st_gid) == (0, 0), name
        assert not status.st_mode & (stat.S_ISUID | stat.S_ISGID), name
        assert path.is_symlink() or not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH), name
        assert not stat.S_ISCHR(status.st_mode), f"{name} of the base is taken away"


def test_the_last_stage_holds_only_the_environment_and_the_sbom(image: Stage) -> None:
    names = [name for name, _ in image.layer.files()]
    parents = {"/opt", "/usr", "/usr/share"}
    assert [name for name in names if not name.startswith(OURS) and name not in parents] == []
    programs = {Path(name).name for name in names if Path(name).parent == Path("/opt/tightrope/bin")}
    assert {"tightrope", "kubectl-tightrope", "python"} <= programs
    assert not {name for name in programs if name.startswith(("pip", "gcc", "cc", "ld", "as"))}
    assert not [name for name in names if ".cache" in name.split("/") or name.endswith((".whl", ".tar.gz"))]


def test_each_source_has_its_byte_code_which_no_time_can_spoil(image: Stage) -> None:
    folder = image.layer.folder / "rest/upper/opt/tightrope/lib"
    compiled = list(folder.rglob("*.pyc"))
    assert len(compiled) > 1000
    assert {path.read_bytes()[4:8] for path in compiled} == {(3).to_bytes(4, "little")}  # PEP 552: checked hash


def test_the_labels_tell_the_version_that_is_inside(image: Stage) -> None:
    said = image.labels
    chart = yaml.safe_load((ROOT / "helm/tightrope/Chart.yaml").read_text())
    assert said["org.opencontainers.image.version"] == chart["appVersion"]
    assert said["org.opencontainers.image.revision"] == "abc"
    script = "import importlib.metadata as m; print(m.version('tightrope'))"
    assert inside(image, "/opt/tightrope/bin/python", "-c", script).strip() == said["org.opencontainers.image.version"]


def test_a_second_build_from_another_checkout_is_the_same_byte_for_byte(image: Stage, base: Base, work: Path) -> None:
    other = work / "checkout"
    for number, name in enumerate(reversed(listed())):
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, other / name)
        (other / name).chmod(0o600)  # as under another umask
        os.utime(other / name, (10**9 + number, 10**9 + number))
    stale = "operator/tightrope/__pycache__/stale.cpython-311.pyc"
    (other / stale).parent.mkdir(exist_ok=True)
    (other / stale).write_bytes(b"left over")
    again = [*listed(), stale]
    second = made(other, again, base=base, work=work / "two")

    one, two = fingerprint(image), fingerprint(second)
    assert {name for name in one.keys() | two.keys() if one.get(name) != two.get(name)} == set()
    assert second.labels == image.labels


def test_a_step_that_fails_fails_the_build(base: Base, work: Path) -> None:
    broken = work / "broken"
    broken.mkdir()
    (broken / ".dockerignore").write_text("*\n!kept\n")
    (broken / "kept").write_text("here")
    (broken / "left").write_text("there")
    tag = f"python:{sys.version_info.major}.{sys.version_info.minor}.1-slim-bookworm"

    def build(name: str, *steps: str) -> Stage:
        (broken / "Dockerfile").write_text("\n".join([f"FROM {tag} AS {name}", *steps]))
        return Build(repository=broken, listed=["kept", "left"], base=base, work=work / name, args={}).result

    assert build("well", "COPY kept /opt/", "RUN grep here /opt/kept").user == "0:0"
    with pytest.raises(rootfs.StepFailed, match="line 2: RUN false"):
        build("ill", "RUN false")
    with pytest.raises(rootfs.StepFailed, match="left"):
        build("ignored", "COPY left /opt/")
