"""Where programs are that came with a package of the Python environment.

The package's own list of files is asked, not PATH: a machine has programs of the same name that are
something else, and an environment need not be activated.
"""

import os
from importlib import metadata
from pathlib import Path

from tests.parts import PartUnavailable


def installed_program(distribution: str, path: str) -> Path:
    """The executable whose path in the installed `distribution` ends in `path`, such as `bin/kubectl`."""
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError as error:
        message = f"the Python package {distribution} is not installed: pip install {distribution}"
        raise PartUnavailable(message) from error
    for file in files:
        program = Path(str(file.locate())).resolve()
        if program.match(path) and os.access(program, os.X_OK):
            return program
    message = f"the Python package {distribution} has no executable {path}: pip install --force-reinstall it"
    raise PartUnavailable(message)
