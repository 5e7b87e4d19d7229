"""Builds the tests' control plane and CSI driver once, and says where they are: `python -m tests.controlplane.build`.

They are built again only when their sources change: see `tests/parts/golang.py`, which does the work.
"""

import re
import shutil
from pathlib import Path
from typing import Final

from tests.parts.cache import made_once
from tests.parts.golang import built_once, declared, module_folder, say

_MODULE: Final = Path(__file__).parent
_CSI: Final = _MODULE / "csi"
_SNAPSHOT_API: Final = "github.com/kubernetes-csi/external-snapshotter/client/v8"
_SNAPSHOT_API_VERSION: Final = re.compile(rf"^\t{re.escape(_SNAPSHOT_API)} (v\S+)$", re.MULTILINE)
_KUBERNETES: Final = re.compile(r"^\tk8s\.io/kubernetes (v\S+)$", re.MULTILINE)


def controlplane_program() -> Path:
    """The binary; the first call on a machine builds it, which takes about ten minutes on two cores."""
    return built_once("trysail-controlplane", ".", module=_MODULE, flags=kubernetes_flags())


def kubernetes_flags() -> list[str]:
    """For every server of Kubernetes: without a version it calls itself v0.0.0-master, which kubectl does not take."""
    version = declared(_MODULE, _KUBERNETES)
    return ["-ldflags", f"-s -w -X k8s.io/component-base/version.gitVersion={version}"]


def csi_program() -> Path:
    """The CSI driver with its controllers; the first call on a machine builds it, which takes about five minutes."""
    return built_once("trysail-csi", ".", module=_CSI, flags=["-ldflags", "-s -w"])


def snapshot_crds() -> Path:
    """A folder with the CRDs of volume snapshots, of the version that the controllers are built with.

    They are files of a Go module. Go embeds no file of another module, and a machine that has what was built may
    have no modules any more; so they are copied once and kept beside the program.
    """
    version = declared(_CSI, _SNAPSHOT_API_VERSION)
    return made_once(f"snapshot-crds-{version}", _copy_snapshot_crds)


def _copy_snapshot_crds(folder: Path) -> None:
    for crd in (module_folder(_CSI, _SNAPSHOT_API) / "config" / "crd").glob("snapshot.storage.k8s.io_*.yaml"):
        shutil.copyfile(crd, folder / crd.name)


if __name__ == "__main__":
    say(str(controlplane_program()))
    say(str(csi_program()))
    say(str(snapshot_crds()))
