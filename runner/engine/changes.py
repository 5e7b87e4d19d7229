"""Compares what a plan would store with the last backup of its policy and cluster. Stands beside the plan."""

from __future__ import annotations
