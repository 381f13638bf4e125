"""The programs the lab runs: which, which version, and where to find them. `Lab.start` calls `prepare`.

Looked for in this order: the directory in TIGHTROPE_LAB_BIN (taken as it is), the directory in KUBEBUILDER_ASSETS and
PATH (the right version only), the cache; what is left is compiled from the Go modules beside this file, once.
`python -m tightrope.lab.programs` prepares everything and prints the paths.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tightrope.lab.errors import LabError
from tightrope.lab.process import ended_by_signals

Progress = Callable[[str], None]

MODULES: Final = Path(__file__).parent / "programs"
_VERSION_SECONDS = 20.0


def say(line: str) -> None:
    """One line of progress on stderr; data stays on stdout."""
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramSource:
    """One program: the Go package it is compiled from, in which of our modules, and how it tells its version.

    `pinned_by` is the module whose version in go.mod is the program's. `version_pattern` has one group; a program
    found elsewhere is used only if that group equals the pinned version.
    """

    name: str
    package: str
    module: str
    pinned_by: str
    version_args: tuple[str, ...] = ("--version",)
    version_pattern: str
    minutes: float


_KUBERNETES = "k8s.io/kubernetes"
# In build order: the first pays for the packages that the others share. Minutes are of a cold cache on two cores.
SOURCES: Final = (
    *(
        ProgramSource(
            name=name,
            package=f"{_KUBERNETES}/cmd/{name}",
            module="kubernetes",
            pinned_by=_KUBERNETES,
            version_pattern=r"^Kubernetes v(\S+)",
            minutes=minutes,
        )
        for name, minutes in (("kube-apiserver", 7.0), ("kube-controller-manager", 1.5), ("kube-scheduler", 0.5))
    ),
    ProgramSource(
        name="etcd",
        package="go.etcd.io/etcd/server/v3",
        module="kubernetes",
        pinned_by="go.etcd.io/etcd/server/v3",
        version_pattern=r"^etcd Version: (\S+)",
        minutes=0.5,
    ),
    ProgramSource(
        name="kubectl",
        package=f"{_KUBERNETES}/cmd/kubectl",
        module="kubernetes",
        pinned_by=_KUBERNETES,
        version_args=("version", "--client"),
        version_pattern=r"^Client Version: v(\S+)",
        minutes=0.5,
    ),
    ProgramSource(
        name="kwok",
        package="sigs.k8s.io/kwok/cmd/kwok",
        module="kubernetes",
        pinned_by="sigs.k8s.io/kwok",
        version_pattern=r"version v(\S+)",
        minutes=1.0,
    ),
    ProgramSource(
        name="helm",
        package="helm.sh/helm/v4/cmd/helm",
        module="kubernetes",
        pinned_by="helm.sh/helm/v4",
        version_args=("version", "--short"),
        version_pattern=r"^v([0-9.]+)",
        minutes=1.5,
    ),
    ProgramSource(
        name="prometheus",
        package="github.com/prometheus/prometheus/cmd/prometheus",
        module="prometheus",
        pinned_by="github.com/prometheus/prometheus",
        version_pattern=r"^prometheus, version (\S+)",
        minutes=2.0,
    ),
)
NAMES: Final = tuple(source.name for source in SOURCES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Where each program is, by name."""

    paths: Mapping[str, Path]

    def __getitem__(self, name: str) -> str:
        return str(self.paths[name])


def pinned_version(source: ProgramSource) -> str:
    """The version in go.mod, without its v. Prometheus 3.16 is the module's v0.316, the way Go modules need it."""
    text = (MODULES / source.module / "go.mod").read_text()
    found = re.search(rf"^\s*{re.escape(source.pinned_by)} v(\S+)", text, re.MULTILINE)
    if found is None:
        raise LabError(f"{MODULES / source.module / 'go.mod'} does not require {source.pinned_by}")
    version = found.group(1)
    if source.name == "prometheus":
        return re.sub(r"^0\.(\d)(\d\d)\.(\d+)$", lambda m: f"{m[1]}.{int(m[2])}.{m[3]}", version)
    return version


def build_flags(source: ProgramSource) -> tuple[str, ...]:
    """Flags for `go build`. Kubernetes' programs learn their version from the linker; without it clients and helm
    meet `v0.0.0-master`. Prometheus goes without the clouds' discoveries; files and HTTP stay."""
    flags = ("-mod=readonly", "-trimpath", "-buildvcs=false")
    if source.module == "prometheus":
        return (*flags, "-tags", "remove_all_sd", "-ldflags", "-s -w")
    version = pinned_version(next(s for s in SOURCES if s.pinned_by == _KUBERNETES))
    major, minor, _ = version.split(".", 2)
    stamps = (
        f"k8s.io/component-base/version.gitVersion=v{version}",
        f"k8s.io/component-base/version.gitMajor={major}",
        f"k8s.io/component-base/version.gitMinor={minor}",
        f"k8s.io/client-go/pkg/version.gitVersion=v{version}",
    )
    return (*flags, "-ldflags", " ".join(("-s -w", *(f"-X {stamp}" for stamp in stamps))))


def versions_hash() -> str:
    """Changes with any pinned version, checksum or build flag, and with the platform: a cache may be shared."""
    digest = hashlib.sha256(f"{platform.system()} {platform.machine()}".encode())
    for module in sorted({source.module for source in SOURCES}):
        for name in ("go.mod", "go.sum"):
            digest.update((MODULES / module / name).read_bytes())
    for source in SOURCES:
        digest.update(repr((source.name, source.package, build_flags(source))).encode())
    return digest.hexdigest()[:16]


def cache_root() -> Path:
    """$XDG_CACHE_HOME/tightrope/lab, by default under ~/.cache; a relative value is ignored, as XDG asks."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "tightrope" / "lab"


def cache_directory() -> Path:
    return cache_root() / versions_hash()


def prepare(progress: Progress = say) -> Programs:
    """Every program, ready to run; compiles what is nowhere to be found, about ten minutes or more the first time.

    Raises LabError when something is missing and cannot be compiled.
    """
    paths = {source.name: path for source in SOURCES if (path := find(source, progress)) is not None}
    if missing := [source for source in SOURCES if source.name not in paths]:
        from tightrope.lab import go_build  # only a first run needs the compiler's room

        paths |= go_build.build(missing, cache_directory(), progress)
    return Programs(paths=paths)


def missing() -> list[ProgramSource]:
    """What `prepare` would have to compile."""
    return [source for source in SOURCES if find(source, lambda line: None) is None]


def find(source: ProgramSource, progress: Progress = say) -> Path | None:
    """The program if it is already there: named by the user, on PATH with the right version, or in the cache."""
    if given := _in_directory(os.environ.get("TIGHTROPE_LAB_BIN"), source.name):
        return given
    for where, path in (
        ("KUBEBUILDER_ASSETS", _in_directory(os.environ.get("KUBEBUILDER_ASSETS"), source.name)),
        ("PATH", _on_path(source.name)),
    ):
        if path is None:
            continue
        version = version_of(path, source)
        if version == pinned_version(source):
            return path
        if where != "PATH":
            progress(f"{path} ({where}) is {version or 'of unknown version'}, the lab needs {pinned_version(source)}")
    return _in_directory(str(cache_directory()), source.name)


def version_of(path: Path, source: ProgramSource) -> str | None:
    """What the program says of itself; None if it says nothing we understand."""
    try:
        answer = subprocess.run(
            [path, *source.version_args], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(source.version_pattern, answer.stdout, re.MULTILINE)
    return found.group(1) if found else None


def _in_directory(directory: str | None, name: str) -> Path | None:
    if not directory:
        return None
    path = Path(directory).expanduser().absolute() / name
    return path if os.access(path, os.X_OK) and path.is_file() else None


def _on_path(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found) if found else None


def main() -> int:
    """Prepare everything and print one line per program: its name and path."""
    began = time.monotonic()
    try:
        with ended_by_signals():
            programs = prepare()
    except LabError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; what was compiled so far is kept, and the next run goes on from there")
        return 130
    for name, path in programs.paths.items():
        print(f"{name}\t{path}")
    say(f"the lab's programs are ready ({time.monotonic() - began:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
