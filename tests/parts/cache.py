"""Things that are made once and kept outside the work tree: who may make them, and how they appear.

Several test processes may want the same thing at once. One makes it, the others wait, and it appears
whole by a rename or not at all. What is made, and when its name changes, is the caller's.
"""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path


def cache_root() -> Path:
    """`$XDG_CACHE_HOME/trysail-tests`, or the same below `~/.cache`; made when absent."""
    configured = os.environ.get("XDG_CACHE_HOME")
    root = (Path(configured) if configured else Path.home() / ".cache") / "trysail-tests"
    root.mkdir(parents=True, exist_ok=True)
    return root


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """The cached folder `name`; when it is absent, `make` fills an empty folder that then takes its place.

    `name` must change with everything that `make` depends on: what is there is never made again.
    """
    folder = cache_root() / name
    if folder.exists():
        return folder
    with (cache_root() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            partial = cache_root() / f"{name}.partial"
            shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed while it held the lock
            partial.mkdir()
            make(partial)
            partial.rename(folder)
    return folder
