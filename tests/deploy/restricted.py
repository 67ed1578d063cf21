"""Kubernetes' Pod Security Standard "restricted", and what mirrordiff asks of its pods beyond it.

https://kubernetes.io/docs/concepts/security/pod-security-standards/ (v1.37)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected",
    "secret",
}  # fmt: skip
_HOST = {"hostNetwork", "hostPID", "hostIPC"}


def pods(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The pod specs of an object, wherever they stand in it."""
    for value in document.values():
        if isinstance(value, dict):
            if "containers" in value:
                yield value
            yield from pods(value)


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """All containers of a pod."""
    return [*pod.get("initContainers", ()), *pod["containers"]]


def violations(pod: dict[str, Any]) -> list[str]:
    """Where a pod would be refused in a namespace that enforces "restricted"."""
    found = [f"{name} is set" for name in _HOST if pod.get(name)]
    for volume in pod.get("volumes", ()):
        found += [f"volume {volume['name']}: {kind}" for kind in set(volume) - {"name"} - _VOLUMES]
    outer = pod.get("securityContext", {})
    for container in containers(pod):
        name, own = container["name"], container.get("securityContext", {})
        if own.get("privileged") or own.get("allowPrivilegeEscalation") is not False:
            found.append(f"{name}: may gain privileges")
        capabilities = own.get("capabilities", {})
        if capabilities.get("drop") != ["ALL"] or set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
            found.append(f"{name}: keeps capabilities")
        if not own.get("runAsNonRoot", outer.get("runAsNonRoot")):
            found.append(f"{name}: may run as root")
        if own.get("runAsUser", outer.get("runAsUser")) == 0:
            found.append(f"{name}: runs as root")
        profile = own.get("seccompProfile", outer.get("seccompProfile", {})).get("type")
        if profile not in {"RuntimeDefault", "Localhost"}:
            found.append(f"{name}: no seccomp profile")
        if any("hostPort" in port for port in container.get("ports", ())):
            found.append(f"{name}: takes a port of the host")
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if "host" in container.get(probe, {}).get("httpGet", {}):
                found.append(f"{name}: a probe names a host")
    return found


def beyond(pod: dict[str, Any]) -> list[str]:
    """Where a pod is less guarded than mirrordiff's are meant to be."""
    found = []
    if pod.get("automountServiceAccountToken") is not False:
        found.append("has a token of the cluster")
    for container in containers(pod):
        name, resources = container["name"], container.get("resources", {})
        if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
            found.append(f"{name}: writes to its image")
        found += [
            f"{name}: {kind} leave something open"
            for kind in ("requests", "limits")
            if not {"cpu", "memory"} <= set(resources.get(kind, ()))
        ]
    return found
