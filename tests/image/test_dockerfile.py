"""The reader of the Dockerfile passes nothing over, and the lock says what pyproject.toml says."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from image.dockerfile import Unreadable, expanded, read, sent

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_lines_go_on_behind_a_backslash_and_comments_fall_out() -> None:
    first, second = read("# a\nRUN one \\\n# in between\n  && two\nCOPY --from=build /a /b\n")
    assert (first.line, first.words) == (2, ("one  && two",))
    assert (second.line, second.flags, second.words) == (5, {"from": "build"}, ("/a", "/b"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ADD a b", "line 1: ADD is not known"),
        ("RUN --mount=type=cache,target=/x true", "only a plain command is known"),
        ("COPY --chown=1:1 a b", "line 1: COPY --chown is not known"),
        ("ENV NAME value", "write NAME=VALUE"),
        ("CMD run", "write a list"),
        ("RUN true \\", "goes on after the end"),
    ],
)
def test_what_the_reader_does_not_know_is_an_error(text: str, said: str) -> None:
    with pytest.raises(Unreadable, match=re.escape(said)):
        read(text)


def test_a_name_that_nobody_has_set_is_an_error() -> None:
    assert expanded("${A}/b$C", {"A": "1", "C": "2"}, 7) == "1/b2"
    with pytest.raises(Unreadable, match=r"line 7: .* A is not set"):
        expanded("$A", {}, 7)
    with pytest.raises(Unreadable, match="only"):
        expanded("${A:-b}", {"A": "1"}, 7)


def test_only_what_the_build_reads_is_sent_to_it() -> None:
    offered = [
        "operator/tightrope/ports.py",
        "operator/tightrope/__pycache__/ports.pyc",
        "tests/build.py",
        ".git/config",
    ]
    assert sent(ROOT, [*offered, "image/build.txt", "image/build.in", "LICENSE"]) == [
        "operator/tightrope/ports.py",
        "image/build.txt",
        "LICENSE",
    ]


def pins(path: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / path).read_text().lower(), re.MULTILINE))


def test_the_lock_pins_what_the_project_asks_for_and_nothing_of_its_extras() -> None:
    locked = pins("image/requirements.txt")
    asked = dict(name.lower().split("==") for name in PROJECT["project"]["dependencies"])
    assert {name: locked.get(name) for name in asked} == asked
    assert not locked.keys() & {"numba", "llvmlite", "scipy", "matplotlib", "pytest"}


def test_the_builder_of_the_wheel_is_the_one_that_the_project_names() -> None:
    (backend,) = PROJECT["build-system"]["requires"]
    name, version = backend.split("==")
    assert pins("image/build.in")[name] == pins("image/build.txt")[name] == version


@pytest.mark.parametrize("path", ["image/requirements.txt", "image/build.txt"])
def test_every_locked_package_has_hashes_and_no_index_is_named(path: str) -> None:
    blocks = re.split(r"^(?=[a-z0-9])", (ROOT / path).read_text(), flags=re.MULTILINE)[1:]
    assert len(blocks) > 30
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert "://" not in (ROOT / path).read_text()


def test_pip_installs_only_what_is_locked_by_hash() -> None:
    installs = [part for step in read(DOCKERFILE) if step.name == "RUN" for part in step.words[0].split("&&")]
    installs = [part for part in installs if re.search(r"\binstall\b", part)]
    assert len(installs) == 3
    for part in installs:
        assert ("--require-hashes" in part and "--only-binary :all:" in part) or "--no-index" in part, part


def test_the_chart_starts_what_the_image_starts_as_the_same_user() -> None:
    steps = {step.name: step.words for step in read(DOCKERFILE)}
    values = yaml.safe_load((ROOT / "helm/tightrope/values.yaml").read_text())
    assert [*steps["ENTRYPOINT"], *steps["CMD"]] == ["tightrope", "run"]
    assert "command: [tightrope, run]" in (ROOT / "helm/tightrope/templates/deployment.yaml").read_text()
    assert steps["USER"] == (f"{values['pod']['runAsUser']}:{values['pod']['runAsUser']}",)
