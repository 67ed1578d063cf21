"""Makes the schemas beside this file from what the projects publish. For whoever takes newer ones.

    python -m tests.deploy.trim_schemas kubernetes FOLDER NAME KIND…
    python -m tests.deploy.trim_schemas crds FILE… NAME KIND…
    python -m tests.deploy.trim_schemas compose FILE NAME

A kind is ``group/version/Kind`` (``v1/Service`` in the core group). What is left holds structure alone:
descriptions, status and server-side annotations are dropped, and every object that lists its
properties is closed, so that a misspelt field is an error.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

SCHEMAS = Path(__file__).parent / "schemas"
_COMPOSED = ("oneOf", "anyOf", "allOf")
_DROPPED = {"description", "format", "default", "example", "title", "$schema", "$id", "nullable"}

Schema = dict[str, Any]


def structure(schema: Any, *, close: bool) -> Any:
    """A schema without words. ``close``: objects that list their properties take no others."""
    if isinstance(schema, bool) or not isinstance(schema, dict):
        return schema
    kept: Schema = {}
    for name, value in schema.items():
        if name in _DROPPED or name.startswith("x-kubernetes-"):
            continue
        if name in {"properties", "patternProperties"}:
            kept[name] = {key: structure(below, close=close) for key, below in value.items()}
        elif name in {"items", "additionalProperties"}:
            kept[name] = structure(value, close=close)
        elif name in _COMPOSED:
            # A branch names only what it is about: the object around it is the closed one.
            kept[name] = [structure(branch, close=False) for branch in value]
        elif name == "not":
            kept[name] = structure(value, close=False)
        elif name == "$ref":
            kept[name] = "#/$defs/" + str(value).rpartition("/")[2]
        else:
            kept[name] = value
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    if schema.get("nullable") and isinstance(kept.get("type"), str):
        kept["type"] = [kept["type"], "null"]
    whole = close and "properties" in kept and "additionalProperties" not in kept
    if whole and not schema.get("x-kubernetes-preserve-unknown-fields"):
        kept["additionalProperties"] = False
    return kept


def of_kubernetes(folder: Path, kinds: list[str]) -> Schema:
    """From a folder of the package kubernetes-validate, such as ``v1.37.0-local-strict``."""
    source = json.loads((folder / "_definitions.json").read_text())["$defs"]
    found: Schema = {}
    wanted: list[str] = []
    for kind in kinds:
        group, _, name = kind.rpartition("/")
        api, _, version = group.rpartition("/")
        definition = next(
            key
            for key, schema in source.items()
            for gvk in schema.get("x-kubernetes-group-version-kind", ())
            if (gvk["group"], gvk["version"], gvk["kind"]) == (api, version, name)
        )
        found[kind] = {"$ref": f"#/$defs/{definition}"}
        wanted.append(definition)
    definitions: Schema = {}
    while wanted:
        name = wanted.pop()
        if name not in definitions:
            schema = definitions[name] = structure(source[name], close=True)
            for written_by_the_server in ("status", "managedFields"):
                schema.get("properties", {}).pop(written_by_the_server, None)
            wanted += [part.rpartition("/")[2] for part in _references(definitions[name])]
    return {"kinds": found, "$defs": dict(sorted(definitions.items()))}


def of_crds(files: list[Path], kinds: list[str]) -> Schema:
    """From files of CustomResourceDefinitions."""
    found: Schema = {}
    for file in files:
        for crd in yaml.safe_load_all(file.read_text()):
            spec = (crd or {}).get("spec", {})
            for version in spec.get("versions", ()):
                kind = f"{spec['group']}/{version['name']}/{spec['names']['kind']}"
                if kind in kinds:
                    root = structure(version["schema"]["openAPIV3Schema"], close=True)
                    root["properties"] |= {
                        "apiVersion": {"const": f"{spec['group']}/{version['name']}"},
                        "kind": {"const": spec["names"]["kind"]},
                        "metadata": {"type": "object"},
                    }
                    root["properties"].pop("status", None)
                    found[kind] = root
    missing = set(kinds) - set(found)
    if missing:
        raise SystemExit(f"not in these files: {', '.join(sorted(missing))}")
    return {"kinds": found, "$defs": {}}


def of_compose(file: Path) -> Schema:
    """From the Compose specification's schema, which closes its objects itself."""
    source = json.loads(file.read_text())
    definitions = {name: structure(schema, close=False) for name, schema in source.pop("$defs").items()}
    return {"kinds": {"compose": structure(source, close=False)}, "$defs": definitions}


def lines(made: Schema) -> str:
    """JSON with one schema a line, so that what changed between two versions can be seen."""
    sections = []
    for section, schemas in made.items():
        rows = [
            f"{json.dumps(name)}: {json.dumps(schema, sort_keys=True, separators=(',', ':'))}"
            for name, schema in sorted(schemas.items())
        ]
        sections.append(f"{json.dumps(section)}: {{\n" + ",\n".join(rows) + "\n}")
    return "{" + ",\n".join(sections) + "}\n"


def _references(schema: Any) -> list[str]:
    if isinstance(schema, dict):
        own = [schema["$ref"]] if isinstance(schema.get("$ref"), str) else []
        return own + [found for value in schema.values() for found in _references(value)]
    return [found for value in schema for found in _references(value)] if isinstance(schema, list) else []


def main(arguments: list[str]) -> None:
    """See the top of this module."""
    form, *rest = arguments
    paths = [Path(argument) for argument in rest if Path(argument).exists()]
    name, *kinds = rest[len(paths) :]
    match form:
        case "kubernetes":
            made = of_kubernetes(paths[0], kinds)
        case "crds":
            made = of_crds(paths, kinds)
        case "compose":
            made = of_compose(paths[0])
        case _:
            raise SystemExit(__doc__)
    (SCHEMAS / f"{name}.json").write_text(lines(made))


if __name__ == "__main__":
    main(sys.argv[1:])
