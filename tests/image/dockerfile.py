"""Reads the Dockerfile for `rootfs`: strictly, so that what the test executes is what a builder would.

Only what our Dockerfile needs is known; anything else is an error, never passed over.
Syntax: https://docs.docker.com/reference/dockerfile/
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

_PAIRS = {"ARG", "ENV", "LABEL"}
_WORDS = {"FROM", "COPY", "WORKDIR", "USER", "EXPOSE"}
_JSON = {"ENTRYPOINT", "CMD"}


class Unreadable(Exception):
    """A line that this reader does not know; it names the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction. `words` is everything behind its name: a RUN has one word, its command, ARG, ENV and LABEL have
    NAME=VALUE (an ARG may be a bare NAME). Nothing is expanded yet."""

    line: int
    name: str
    words: tuple[str, ...]
    flags: Mapping[str, str] = field(default_factory=dict)


def read(text: str) -> list[Instruction]:
    """All instructions in order. Raises Unreadable."""
    return [_instruction(number, line) for number, line in _logical_lines(text)]


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their continuations, by the number of the first; comments between them fall out, as in a builder."""
    begun, parts = 0, []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        begun = begun if parts else number
        parts.append(line.strip().removesuffix("\\"))
        if not line.endswith("\\"):
            yield begun, " ".join(parts)
            parts = []
    if parts:
        raise Unreadable(f"line {begun}: goes on after the end of the file")


def _instruction(number: int, line: str) -> Instruction:
    name, _, rest = line.partition(" ")
    rest = rest.strip()
    if name == "RUN":
        if rest.startswith(("--", "[", "<<")):
            raise Unreadable(f"line {number}: RUN {rest[:20]}: only a plain command is known")
        return Instruction(line=number, name=name, words=(rest,))
    if name in _JSON:
        return Instruction(line=number, name=name, words=tuple(_listed(number, rest)))
    if name not in _PAIRS | _WORDS:
        raise Unreadable(f"line {number}: {name} is not known")
    words = shlex.split(rest)
    flags = {word[2:].partition("=")[0]: word.partition("=")[2] for word in words if word.startswith("--")}
    if unknown := flags.keys() - ({"from"} if name == "COPY" else set()):
        raise Unreadable(f"line {number}: {name} --{', --'.join(sorted(unknown))} is not known")
    words = [word for word in words if not word.startswith("--")]
    if not words or (name in {"ENV", "LABEL"} and not all("=" in word for word in words)):
        raise Unreadable(f"line {number}: {line}: write NAME=VALUE")
    return Instruction(line=number, name=name, words=tuple(words), flags=flags)


def _listed(number: int, rest: str) -> list[str]:
    try:
        return list(json.loads(rest))
    except ValueError:
        raise Unreadable(f'line {number}: {rest}: write a list, as in ["tightrope"]') from None


def expanded(word: str, values: Mapping[str, str], line: int) -> str:
    """With $NAME and ${NAME} replaced. A name that nobody has set is an error, as is any other form of substitution."""
    if re.search(r"\$(?!\w|\{\w+\})", word):
        raise Unreadable(f"line {line}: {word}: only $NAME and ${{NAME}} are known")

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in values:
            raise Unreadable(f"line {line}: {word}: {name} is not set")
        return values[name]

    return re.sub(r"\$(?:(\w+)|\{(\w+)\})", value, word)


def sent(context: Path, listed: list[str]) -> list[str]:
    """Which of these paths a builder would be sent, by the context's .dockerignore: the last line that matches wins.
    Raises Unreadable."""
    rules = []
    for line in (context / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if "[" in line or "?" in line:
            raise Unreadable(f".dockerignore: {line}: only *, ** and ! are known")
        rules.append((_pattern(line.removeprefix("!")), line.startswith("!")))
    return [path for path in listed if _kept(path, rules)]


def _kept(path: str, rules: list[tuple[re.Pattern[str], bool]]) -> bool:
    """A rule for a folder holds for what lies in it."""
    chain = [path, *(str(parent) for parent in PurePosixPath(path).parents)]
    verdicts = [kept for pattern, kept in rules if any(pattern.fullmatch(one) for one in chain)]
    return verdicts[-1] if verdicts else True


def _pattern(line: str) -> re.Pattern[str]:
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    return re.compile("".join(parts.get(part) or re.escape(part) for part in re.split(r"(\*\*/|\*\*|\*)", line)))
