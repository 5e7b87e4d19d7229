"""Golden files: what a program must say, word for word. `TRYSAIL_REGENERATE=1 pytest …` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

REGENERATE = "TRYSAIL_REGENERATE"


def assert_golden(path: Path, text: str) -> None:
    """`text` is what the file `path` holds, byte for byte; or, when TRYSAIL_REGENERATE=1, it is from now on.

    A golden file that does not exist is a failure: nobody has looked at it yet.
    """
    if os.environ.get(REGENERATE) == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8"))
        return
    assert path.is_file(), f"{path} is missing; write it with {REGENERATE}=1 and read it before you commit it"
    # Compared as text, so that pytest shows the lines that differ.
    assert text == path.read_bytes().decode("utf-8"), f"{path} differs; {REGENERATE}=1 writes it anew"
