"""What ``kubectl kustomize`` makes of the folders under deploy/, for machines that have no kubectl.

Knows the part of Kustomize that these folders use, and refuses the rest by name. Where there is a
kubectl, a test holds the two to the same objects.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]

_KNOWN = {
    "apiVersion", "kind", "namespace", "resources", "components", "patches", "configMapGenerator",
}  # fmt: skip
_CLUSTER_WIDE = {"Namespace", "ClusterRoleBinding", "ClusterAnalysisTemplate", "GatewayClass"}


def documents(file: Path) -> list[Object]:
    """The objects of a file."""
    return [document for document in yaml.safe_load_all(file.read_text("utf-8")) if document]


def render(folder: Path) -> list[Object]:
    """All objects of a folder with a kustomization.yaml, in the order in which they are listed."""
    kustomization = documents(folder / "kustomization.yaml")[0]
    unknown = set(kustomization) - _KNOWN
    if unknown:
        raise ValueError(f"{folder}/kustomization.yaml: {', '.join(sorted(unknown))} is not known here")
    objects: list[Object] = []
    for name in kustomization.get("resources", ()):
        below = folder / name
        objects += render(below) if below.is_dir() else documents(below)
    objects += [_generated(folder, entry) for entry in kustomization.get("configMapGenerator", ())]
    for name in kustomization.get("components", ()):
        objects = _component(folder / name, objects)
    _patched(objects, kustomization)
    if namespace := kustomization.get("namespace"):
        for each in objects:
            if each["kind"] not in _CLUSTER_WIDE:
                each["metadata"]["namespace"] = namespace
    return objects


def _component(folder: Path, objects: list[Object]) -> list[Object]:
    """A component sees, and may patch, what has been listed before it."""
    kustomization = documents(folder / "kustomization.yaml")[0]
    assert kustomization["kind"] == "Component", folder
    _patched(objects, kustomization)
    return objects + render(folder)


def _patched(objects: list[Object], kustomization: Object) -> None:
    for patch in kustomization.get("patches", ()):
        target = patch["target"]
        for each in objects:
            named = target.get("name") in {None, each["metadata"]["name"]}
            if each["kind"] == target["kind"] and named:
                for operation in yaml.safe_load(patch["patch"]):
                    _apply(each, operation)


def _apply(target: Any, operation: Object) -> None:
    """One operation of a JSON patch (RFC 6902), as far as it is used here."""
    *parents, last = (
        part.replace("~1", "/").replace("~0", "~") for part in operation["path"].strip("/").split("/")
    )
    for part in parents:
        target = target[int(part) if isinstance(target, list) else part]
    match operation["op"], target:
        case "replace", list():
            target[int(last)] = copy.deepcopy(operation["value"])
        case "add", list() if last == "-":
            target.append(copy.deepcopy(operation["value"]))
        case ("add", dict()) | ("replace", dict()):
            target[last] = copy.deepcopy(operation["value"])
        case "remove", dict():
            del target[last]
        case other, _:
            raise ValueError(f"a patch with {other} is not known here")


def _generated(folder: Path, entry: Object) -> Object:
    options = entry.get("options", {})
    labels = {"labels": dict(options["labels"])} if "labels" in options else {}
    if not options.get("disableNameSuffixHash"):
        raise ValueError(f"{folder}: a ConfigMap named by its content is not known here")
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": entry["name"], **labels},
        "data": {Path(name).name: (folder / name).read_text("utf-8") for name in entry["files"]},
    }
