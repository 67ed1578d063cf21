"""Compiles every ``.proto`` file below this folder while the package is built.

Runs for wheels and editable installs. The stubs land beside their sources, where Python's
package path equals protoc's import path, so nothing has to be rewritten afterwards. Git ignores
them; Hatch is told of them as artifacts, or it would leave them out of the wheel too. An sdist
carries the sources only.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

GENERATED = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")


class ProtoBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        if self.target_name != "wheel":
            return
        root = Path(self.root) / "proto"
        sources = sorted(str(path.relative_to(root)) for path in root.rglob("*.proto"))
        import grpc_tools

        well_known = Path(grpc_tools.__file__).parent / "_proto"
        command = [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"--proto_path={root}",
            f"--proto_path={well_known}",
            f"--python_out={root}",
            f"--grpc_python_out={root}",
            f"--mypy_out=quiet:{root}",
            f"--mypy_grpc_out=quiet:{root}",
            *sources,
        ]
        subprocess.run(command, cwd=root, check=True)
        build_data["artifacts"] += [f"proto/**/*{suffix}" for suffix in GENERATED]
