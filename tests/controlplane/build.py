"""Builds the tests' control plane once, and says where it is: `python -m tests.controlplane.build`.

It is built again only when its sources change: see `tests/parts/golang.py`, which does the work.
"""

import re
from pathlib import Path
from typing import Final

from tests.parts.golang import built_once, declared, say

_MODULE: Final = Path(__file__).parent
_KUBERNETES: Final = re.compile(r"^\tk8s\.io/kubernetes (v\S+)$", re.MULTILINE)


def controlplane_program() -> Path:
    """The binary; the first call on a machine builds it, which takes about ten minutes on two cores."""
    return built_once("trysail-controlplane", ".", module=_MODULE, flags=kubernetes_flags())


def kubernetes_flags() -> list[str]:
    """For every server of Kubernetes: without a version it calls itself v0.0.0-master, which kubectl does not take."""
    version = declared(_MODULE, _KUBERNETES)
    return ["-ldflags", f"-s -w -X k8s.io/component-base/version.gitVersion={version}"]


if __name__ == "__main__":
    say(str(controlplane_program()))
