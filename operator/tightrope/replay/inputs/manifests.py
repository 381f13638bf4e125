"""The user's own YAML as the decision reads it: one InferenceDeployment, and the ComputePools that it names."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tightrope.api.parse import ParsedService, SpecInvalid, parse_pool, parse_service
from tightrope.domain.spec import Pool, Service
from tightrope.replay.profiles import ReplayError


def read_pools(path: Path) -> dict[str, Pool]:
    """Every ComputePool in this file, by name. Raises ReplayError."""
    pools: dict[str, Pool] = {}
    for wire in documents(path):
        if wire.get("kind") == "ComputePool":
            try:
                pool = parse_pool(_stored(wire)).pool
            except SpecInvalid as invalid:
                raise ReplayError(f"{path}: ComputePool {_name(wire)}: {invalid}") from None
            if pool.name in pools:
                raise ReplayError(f"{path}: ComputePool {pool.name} is there twice: leave one of them out")
            pools[pool.name] = pool
    if not pools:
        raise ReplayError(f"{path}: there is no ComputePool in it: write at least the pools that the spec names")
    return pools


def read_service(path: Path, *, name: str | None = None) -> Service:
    """The InferenceDeployment in this file, as the decision reads it. Raises ReplayError."""
    return read_parsed(path, name=name).service


def read_parsed(path: Path, *, name: str | None = None) -> ParsedService:
    """The InferenceDeployment in this file, whole; `name` chooses among several. Raises ReplayError."""
    found = {_name(wire): wire for wire in documents(path) if wire.get("kind") == "InferenceDeployment"}
    if name is not None and name not in found:
        raise ReplayError(f"{path}: there is no InferenceDeployment {name}; there is: {', '.join(found) or 'none'}")
    if not found:
        raise ReplayError(f"{path}: there is no InferenceDeployment in it: see docs/api.md for one to start from")
    if name is None and len(found) > 1:
        raise ReplayError(f"{path}: there are several InferenceDeployments ({', '.join(found)}): choose with --service")
    wire = found[name or next(iter(found))]
    try:
        return parse_service(_stored(wire))
    except SpecInvalid as invalid:
        raise ReplayError(f"{path}: InferenceDeployment {_name(wire)}: {invalid}") from None


OBJECTS = "write apiVersion, kind, metadata and spec"


def documents(path: Path, *, shape: str = OBJECTS) -> Iterator[Mapping[str, Any]]:
    """The objects in this YAML file; `shape` says what to write where one is none. Raises ReplayError."""
    for document in parts(path):
        if not isinstance(document, dict):
            raise ReplayError(f"{path}: a document in it is no object: {shape}")
        yield document


def parts(path: Path) -> list[Any]:
    """Every document in this YAML file that is not empty. Raises ReplayError."""
    try:
        found = list(yaml.safe_load_all(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise ReplayError(f"{path}: {error.strerror}: write the path of a YAML file") from None
    except UnicodeDecodeError:
        raise ReplayError(f"{path}: this is not text in UTF-8: write a YAML file, saved as UTF-8") from None
    except RecursionError:
        raise ReplayError(f"{path}: it is nested too deeply: write it with fewer levels") from None
    except (ValueError, yaml.YAMLError) as error:
        raise ReplayError(f"{path}: this is not YAML: {' '.join(str(error).split())[:300]}") from None
    return [document for document in found if document is not None]


def _stored(wire: Mapping[str, Any]) -> dict[str, Any]:
    """As the API server would have stored it: in a namespace, with an identity."""
    metadata = wire.get("metadata")
    if not isinstance(metadata, dict):
        return dict(wire)
    return {**wire, "metadata": {"namespace": "default", "uid": "replay", **metadata}}


def _name(wire: Mapping[str, Any]) -> str:
    metadata = wire.get("metadata")
    return str(metadata.get("name", "without a name")) if isinstance(metadata, dict) else "without a name"
