"""Builds the image where a container builder works, with the script behind `make image`, and unpacks what it made.

The layers go over the same base as `rootfs` plays stages on, so that the tests ask both the same questions.
"""

import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from image.rootfs import Base, Layer, Stage

BUILDERS = ("docker", "podman", "buildah")
_SECONDS = 600.0


def working() -> str | None:
    """The first builder that answers, as image/build.sh chooses it."""
    for name in BUILDERS:
        try:
            asked = subprocess.run([name, "info"], capture_output=True, check=False, timeout=30.0)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if asked.returncode == 0:
            return name
    return None


def built(builder: str, *, repository: Path, base: Base, work: Path, revision: str) -> Stage:
    """The image of this checkout, built anew and taken away from the builder again."""
    tag = f"localhost/tightrope-test:{work.name}-{os.getpid()}"
    work.mkdir()
    archive = work / "image.tar"
    saved = {
        "docker": ["save", "--output", str(archive), tag],
        "podman": ["save", "--format", "docker-archive", "--output", str(archive), tag],
        "buildah": ["push", "--quiet", tag, f"docker-archive:{archive}:{tag}"],
    }[builder]
    environment = {**os.environ, "BUILDER": builder, "TAG": tag, "REVISION": revision}
    script = ["sh", str(repository / "image/build.sh"), "--no-cache"]
    _run(script, environment)
    try:
        _run([builder, *saved], environment)
    finally:
        subprocess.run([builder, "rmi", tag], capture_output=True, check=False, timeout=_SECONDS)
    stage = _unpacked(archive, Layer(base=base, folder=work / "image"))
    archive.unlink()
    return stage


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{(done.stdout + done.stderr)[-3000:]}"


def _unpacked(archive: Path, layer: Layer) -> Stage:
    """The image's own layers: from the first that has something of ours; those below it are the base's."""
    with tarfile.open(archive) as saved:
        manifest = _document(saved, "manifest.json")[0]
        config = _document(saved, manifest["Config"])["config"]
        own = False
        for name in manifest["Layers"]:
            with tarfile.open(fileobj=saved.extractfile(name)) as contents:
                members = contents.getmembers()
                own = own or any(member.name.startswith("opt/tightrope") for member in members)
                if own:
                    _extract(contents, members, layer)
    return Stage(
        layer=layer,
        env=dict(pair.split("=", 1) for pair in config["Env"]),
        labels=dict(config["Labels"]),
        cwd=config.get("WorkingDir") or "/",
        user=config["User"],
        entrypoint=tuple(config["Entrypoint"]),
        command=tuple(config["Cmd"]),
    )


def _extract(contents: tarfile.TarFile, members: list[tarfile.TarInfo], layer: Layer) -> None:
    """All at once: a folder gets its time after what lies in it."""
    parts: dict[str, list[tarfile.TarInfo]] = {"rest": [], "usr": []}
    for member in members:
        first, _, rest = member.name.removeprefix("./").partition("/")
        if first != "usr":
            parts["rest"].append(member)
        elif rest:
            parts["usr"].append(member.replace(name=rest))
    for part, found in parts.items():
        upper = layer.folder / part / "upper"
        contents.extractall(upper, found, filter="fully_trusted")
        for link in (member for member in found if member.issym()):  # whose times tarfile leaves alone
            os.utime(upper / link.name, (link.mtime, link.mtime), follow_symlinks=False)


def _document(saved: tarfile.TarFile, name: str) -> Any:
    file = saved.extractfile(name)
    assert file is not None, f"{name} is not in the archive"
    return json.load(file)
