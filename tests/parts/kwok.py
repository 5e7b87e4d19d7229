"""Builds what nodes need beside the control plane, once: `python -m tests.parts.kwok`.

kwok plays the nodes and what runs on them; its version and digests are those of `tests/kwok/go.mod`. The
scheduler, which gives pods their nodes, is Kubernetes' own, of the very version that the API server has.
"""

from pathlib import Path
from typing import Final

from tests.controlplane.build import kubernetes_flags
from tests.parts.golang import built_once, say

_KWOK: Final = Path(__file__).parents[1] / "kwok"
_CONTROL_PLANE: Final = Path(__file__).parents[1] / "controlplane"

STAGES: Final = _KWOK / "stages.yaml"
"""What becomes of nodes and pods, in kwok's words."""


def kwok_program() -> Path:
    """The kwok binary; the first call on a machine builds it, which takes about three minutes on two cores."""
    return built_once("kwok", "sigs.k8s.io/kwok/cmd/kwok", module=_KWOK, flags=["-ldflags", "-s -w"])


def scheduler_program() -> Path:
    """The kube-scheduler binary; where the control plane was built before, most of it is compiled already."""
    # The flags of the control plane's own build, so that Go need not compile what they share a second time.
    return built_once(
        "kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler", module=_CONTROL_PLANE, flags=kubernetes_flags()
    )


if __name__ == "__main__":
    say(str(kwok_program()))
    say(str(scheduler_program()))
