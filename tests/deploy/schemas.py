"""Is this object what its kind may be? Asked of the schemas beside this file, without a cluster."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

FOLDER = Path(__file__).parent / "schemas"
KUBERNETES = ("kubernetes-1.27", "kubernetes-1.37")
"""The oldest release with gRPC probes that need no switch, and the newest."""


@cache
def _sources() -> dict[str, dict[str, Any]]:
    return {file.stem: json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))}


@cache
def _validator(source: str, kind: str) -> Draft202012Validator:
    schemas = _sources()[source]
    return Draft202012Validator({"$defs": schemas["$defs"], "allOf": [schemas["kinds"][kind]]})


def problems(document: dict[str, Any]) -> list[str]:
    """What is wrong with a Kubernetes object, a line for each fault; unknown fields are faults."""
    kind = f"{document.get('apiVersion')}/{document.get('kind')}"
    knowing = [name for name, source in _sources().items() if kind in source["kinds"]]
    if not knowing:
        return [f"{kind}: no schema of this kind"]
    name = document.get("metadata", {}).get("name")
    return [
        f"{kind} {name} ({source}): {fault}"
        for source in knowing
        for fault in _faults(source, kind, document)
    ]


def compose_problems(document: dict[str, Any]) -> list[str]:
    """What is wrong with a Compose file."""
    return _faults("compose", "compose", document)


def _faults(source: str, kind: str, document: dict[str, Any]) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in _validator(source, kind).iter_errors(document)]
