"""Trysail: backup and restore of Kubernetes clusters from policies kept in git.

ARCHITECTURE.md is the map of the rooms in this package.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
