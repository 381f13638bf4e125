"""Executes a Dockerfile where no container builder is: each stage on overlays over a plain root file system, each step
in mount and process namespaces of its own, so that nothing outlives it. Needs root on Linux.

The base is what the official Python images have, as far as the Dockerfile relies on it: the host's /usr, with an
/usr/local that holds Python alone, without byte code and without packages.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from image.dockerfile import Instruction, Unreadable, expanded, read, sent

PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
# What a builder hands to RUN without being told, and what pip needs to reach the index it is configured for.
PASSED = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
CONFIGURED = ("PIP_CERT", "PIP_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT", "SSL_CERT_FILE")
_STEP_SECONDS = 240.0


class StepFailed(Exception):
    """A step that ended badly: its line, its command and the end of what it said."""


def unable() -> str | None:
    """Why this machine can't execute a Dockerfile; None if it can."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "only root on Linux can mount a root file system"
    if not Path("/bin").is_symlink():
        return "the host has no merged /usr to stand in for the base image"
    tried = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else f"no right to mount: {tried.stderr.decode().strip()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The lower layers: `root` for all but /usr, `usr` in front of the host's own."""

    root: Path
    usr: Path


def base(work: Path) -> Base:
    """A root file system with this interpreter's Python, made in `work`."""
    root, usr = work / "root", work / "usr"
    for name in ("dev", "proc", "sys", "tmp", "run", "root", "home", "opt", "var", "etc", "usr"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    for link in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        if (Path("/") / link).is_symlink():
            (root / link).symlink_to(Path("/", link).readlink())
    for name in ("resolv.conf", "hosts", "nsswitch.conf", "pip.conf"):
        if (file := Path("/etc") / name).exists():
            shutil.copy(file, root / "etc" / name)
    for name in ("ssl", "ca-certificates", "pki"):
        if (folder := Path("/etc") / name).is_dir():
            shutil.copytree(folder, root / "etc" / name, symlinks=True, ignore=shutil.ignore_patterns("private"))
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/ld.so.conf").write_text("/usr/local/lib\ninclude /etc/ld.so.conf.d/*.conf\n")
    if Path("/etc/ld.so.conf.d").is_dir():
        shutil.copytree("/etc/ld.so.conf.d", root / "etc/ld.so.conf.d")
    _python(usr / "local")
    made = Base(root=root, usr=usr)
    Layer(base=made, folder=work / "first").run(["/sbin/ldconfig", "-C", "/tmp/cache"])
    shutil.copy(work / "first/rest/upper/tmp/cache", root / "etc/ld.so.cache")
    return made


def _python(local: Path) -> None:
    """Python as the official images have it in /usr/local; the folder hides what the host has there."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    prefix = Path(sys.base_prefix)
    (local / "bin").mkdir(parents=True)
    os.setxattr(local, "trusted.overlay.opaque", b"y")
    shutil.copy(prefix / "bin" / version, local / "bin" / version)
    for name in ("python", "python3"):
        (local / "bin" / name).symlink_to(version)
    skipped = shutil.ignore_patterns("__pycache__", "site-packages", "test", "idlelib", "*.a")
    shutil.copytree(prefix / "lib" / version, local / "lib" / version, symlinks=True, ignore=skipped)
    (local / "lib" / version / "site-packages").mkdir()
    for library in (prefix / "lib").glob("libpython3*.so*"):
        shutil.copy(library, local / "lib" / library.name, follow_symlinks=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What a stage adds to the base: two folders, one for /usr and one for the rest."""

    base: Base
    folder: Path

    def __post_init__(self) -> None:
        for part in ("rest", "usr"):
            for name in ("upper", "work"):
                (self.folder / part / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "merged").mkdir(exist_ok=True)

    @property
    def merged(self) -> Path:
        """Where the whole root file system is, inside a step."""
        return self.folder / "merged"

    def mounts(self, *, read_only: bool = False) -> list[str]:
        """Shell commands that put the root file system together."""
        lower = {"rest": str(self.base.root), "usr": f"{self.base.usr}:/usr"}
        commands = []
        for part, where in (("rest", self.merged), ("usr", self.merged / "usr")):
            own = self.folder / part
            options = f"lowerdir={lower[part]},upperdir={own / 'upper'},workdir={own / 'work'}"
            commands.append(f"mount -t overlay overlay -o {options} {where}")
            if read_only:
                commands.append(f"mount -o remount,ro {where}")
        if read_only:
            commands.append(f"mount -t tmpfs -o size=16m,mode=1777 tmpfs {self.merged}/tmp")
        return [*commands, f"mount -t proc proc {self.merged}/proc", f"mount --rbind /dev {self.merged}/dev"]

    def run(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        user: str = "0:0",
        read_only: bool = False,
        network: bool = True,
        seconds: float = _STEP_SECONDS,
    ) -> "subprocess.CompletedProcess[str]":
        """Runs it inside, as this user, without the host's environment. A user other than root has no capability and
        gains none."""
        uid, _, gid = user.partition(":")
        dropped = "" if uid == "0" else "--no-new-privs --bounding-set=-all --inh-caps=-all"
        given = shlex.join(f"{name}={value}" for name, value in {"PATH": PATH, **(env or {})}.items())
        entered = (
            f"exec chroot {self.merged} /usr/bin/setpriv --reuid={uid} --regid={gid or uid} --clear-groups {dropped} "
            f"/usr/bin/env -i --chdir={cwd} {given} {shlex.join(command)}"
        )
        return _apart([*self.mounts(read_only=read_only), entered], network=network, seconds=seconds)

    def copy(self, sources: Sequence[str], target: str, *, source_root: Path, stage: "Layer | None") -> None:
        """As COPY does: what is inside of a folder, with its modes and times, owned by root. Raises StepFailed."""
        here = Path(f"{self.merged}/{target}")
        folder = target.endswith("/") or len(sources) > 1
        commands = [*self.mounts(), *(stage.mounts() if stage else [])]
        for source in sources:
            place = f"{source_root}/{source}"
            into = here if folder else here.parent
            commands.append(
                f"if test -d {place}; then mkdir -p {here}; cp -rP --preserve=mode,timestamps {place}/. {here}; "
                f"else mkdir -p {into}; cp -P --preserve=mode,timestamps {place} {here}; fi"
            )
        done = _apart(commands, network=False, seconds=_STEP_SECONDS)
        if done.returncode:
            raise StepFailed(f"COPY {' '.join(sources)} {target}: {done.stderr}")

    def files(self) -> Iterator[tuple[str, Path]]:
        """Everything the stage added or changed: its path in the image, and where it lies on the host."""
        for part, prefix in (("rest", ""), ("usr", "/usr")):
            upper = self.folder / part / "upper"
            for folder, folders, names in os.walk(upper):
                for name in sorted((*folders, *names)):
                    path = Path(folder) / name
                    yield f"{prefix}/{path.relative_to(upper)}", path


def _apart(commands: Sequence[str], *, network: bool, seconds: float) -> "subprocess.CompletedProcess[str]":
    apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", *([] if network else ["--net"])]
    script = "\n".join(["set -eu; umask 022", *commands])
    return subprocess.run(
        [*apart, "sh", "-c", script],
        capture_output=True, text=True, check=False, timeout=seconds, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Stage:
    """A stage under way, and in the end the image: its layer and how a container of it is started."""

    layer: Layer
    values: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    labels: dict[str, str] = field(default_factory=dict)
    cwd: str = "/"
    user: str = "0:0"
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    def expand(self, word: str, step: Instruction) -> str:
        return expanded(word, {**self.values, **self.env}, step.line)

    def started(self, *arguments: str, seconds: float = 60.0) -> "subprocess.CompletedProcess[str]":
        """A container with these arguments instead of its CMD, as the chart has it: root file system read-only, no
        network."""
        command = [*self.entrypoint, *(arguments or self.command)]
        return self.layer.run(
            command, env=self.env, cwd=self.cwd, user=self.user, read_only=True, network=False, seconds=seconds
        )


class Build:
    """One build of a Dockerfile; `result` is its last stage."""

    def __init__(self, *, repository: Path, listed: list[str], base: Base, work: Path, args: Mapping[str, str]) -> None:
        self._base = base
        self._work = work
        self._args = args
        self._global: dict[str, str] = {}
        self._stages: dict[str, Stage] = {}
        self._context = work / "context"
        for name in sent(repository, listed):
            (self._context / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, self._context / name)
        for step in read((repository / "Dockerfile").read_text()):
            self._take(step)

    @property
    def result(self) -> Stage:
        return list(self._stages.values())[-1]

    def _take(self, step: Instruction) -> None:
        if step.name == "FROM":
            return self._begin(step)
        if not self._stages:
            if step.name != "ARG":
                raise Unreadable(f"line {step.line}: {step.name} before the first FROM")
            self._global |= self._argument(step, {})
            return None
        steps: Mapping[str, Callable[[Stage, Instruction], None]] = {
            "ARG": lambda stage, step: stage.values.update(self._argument(step, stage.values)),
            "COPY": self._copy,
            "RUN": self._run,
            "ENV": lambda stage, step: stage.env.update(_pairs(stage, step)),
            "LABEL": lambda stage, step: stage.labels.update(_pairs(stage, step)),
            "WORKDIR": self._workdir,
            "USER": lambda stage, step: setattr(stage, "user", stage.expand(step.words[0], step)),
            "ENTRYPOINT": lambda stage, step: setattr(stage, "entrypoint", step.words),
            "CMD": lambda stage, step: setattr(stage, "command", step.words),
            "EXPOSE": lambda stage, step: None,
        }
        steps[step.name](self.result, step)
        return None

    def _begin(self, step: Instruction) -> None:
        reference, *named = step.words
        reference = expanded(reference, self._global, step.line)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        if not re.match(rf"python:{version}\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{{64}})?$", reference):
            raise Unreadable(f"line {step.line}: FROM {reference}: only a slim image of Python {version} can be played")
        if named and named[0] != "AS":
            raise Unreadable(f"line {step.line}: {' '.join(named)} is not known")
        name = named[1] if named else str(len(self._stages))
        self._stages[name] = Stage(layer=Layer(base=self._base, folder=self._work / name))

    def _argument(self, step: Instruction, values: Mapping[str, str]) -> dict[str, str]:
        """An argument without a value and a default stays unset, but may be named."""
        (word,) = step.words
        name, given, default = word.partition("=")
        if name in self._args:
            return {name: self._args[name]}
        return {name: expanded(default, values, step.line)} if given else {}

    def _copy(self, stage: Stage, step: Instruction) -> None:
        *sources, target = (stage.expand(word, step) for word in step.words)
        origin = self._stages[step.flags["from"]].layer if "from" in step.flags else None
        place = target if target.startswith("/") else f"{stage.cwd}/{target}"
        root = origin.merged if origin else self._context
        stage.layer.copy(sources, place, source_root=root, stage=origin)

    def _run(self, stage: Stage, step: Instruction) -> None:
        """Arguments are in the environment of a RUN, under ENV."""
        passed = {name: os.environ[name] for name in (*PASSED, *CONFIGURED) if name in os.environ}
        environment = {**passed, "HOME": "/root", **stage.values, **stage.env}
        done = stage.layer.run(["/bin/sh", "-c", step.words[0]], env=environment, cwd=stage.cwd, user=stage.user)
        if done.returncode:
            raise StepFailed(f"line {step.line}: RUN {step.words[0]}\n{(done.stdout + done.stderr)[-2000:]}")

    def _workdir(self, stage: Stage, step: Instruction) -> None:
        stage.cwd = stage.expand(step.words[0], step)
        stage.layer.run(["/bin/mkdir", "-p", stage.cwd])


def _pairs(stage: Stage, step: Instruction) -> dict[str, str]:
    words = (stage.expand(word, step) for word in step.words)
    return dict(word.split("=", 1) for word in words)
