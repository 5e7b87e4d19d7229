"""How a run ended, as text: short when all is well, and every missing thing by name when not. Prints nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from runner.archive.layout import layout_of
from runner.model.manifest import PARTIALLY_FAILED, Listed
from runner.model.result import Leftover, Result
from runner.plan.verdict import blocked_by_volumes
from runner.report.paint import Paint
from runner.report.plan_outline import on_uncovered
from runner.report.volumes_outline import folded
from runner.report.volumes_result_text import failed_gaps, result_lines
from runner.report.words import counted, harmless, sized, wrapped

_MOST_DIFFERENCES = 20
_MOST_VOLUMES = 10  # the plan names each of them

# What of a location's `config` a URL needs, to read what was written with it.
_URL_OPTIONS = ("region", "s3Url", "s3ForcePathStyle", "profile", "insecureSkipTLSVerify", "storageAccountURI")


def render_result(result: Result, location_url: str, *, reach: str = "", color: bool = False) -> str:
    """The whole text. `reach` is what leads a next command to the backup (`-f policy.yaml`); --location without it."""
    page = _Page(result, Paint(color))
    reach = reach or f"--location {shlex.quote(with_options(location_url, result.plan.location))}"
    sections = (
        page.head(location_url),
        result_lines(result, page.paint),
        page.missing(),
        page.left_out(),
        page.differences(),
        page.empty_includes(),
        page.uncovered(),
        page.leftovers(),
        page.warnings(),
        page.next(reach),
    )
    texts = ("\n".join(section) for section in sections)
    return "\n\n".join(text for text in texts if text) + "\n"


class _Page:
    """One generator of lines for each section; none of them where it has nothing to say."""

    def __init__(self, result: Result, paint: Paint) -> None:
        self.result, self.manifest, self.plan = result, result.manifest, result.plan
        self.paint = paint

    def head(self, location_url: str) -> Iterator[str]:
        manifest, seconds = self.manifest, self.result.seconds
        partial = manifest.phase == PARTIALLY_FAILED
        phase = (self.paint.bad if partial else self.paint.good)(manifest.phase)
        speed = f", {manifest.items / seconds:.0f} items/s" if seconds > 0 and manifest.items else ""
        amount = f"{counted(manifest.items, 'item')} in {seconds:.1f} s{speed}"
        yield f"{self.paint.bold(harmless(manifest.name))} {phase}: {amount}"
        yield ""
        layout = layout_of(self.plan.policy)
        prefix = layout.prefix(manifest.cluster.name, manifest.policy_name, manifest.name)
        stored = sum(key.size for key in manifest.keys.values())
        keys = ", ".join(f"{name} {sized(key.size)}" for name, key in sorted(manifest.keys.items()))
        yield f"  into  {harmless(location_url.rstrip('/'))}/{harmless(prefix)}"
        yield f"  size  {sized(manifest.size)} of {layout.form.upper()}, {sized(stored)} stored"
        yield from wrapped(harmless(keys), " " * 8, first="  keys  ")

    def missing(self) -> Iterator[str]:
        told = failed_gaps(self.manifest, self.result.volumes)
        missing = [gap for gap in self.manifest.missing if gap not in told]
        if not missing:
            return
        yield self.paint.bad(f"{counted(len(missing), 'thing')} missing from this backup:")
        yield ""
        for gap in missing:
            yield f"  {self.paint.bad('?')} {harmless(gap.what)}"
            yield from wrapped(harmless(gap.reason), " " * 6)

    def left_out(self) -> Iterator[str]:
        if not self.manifest.left_out:
            return
        yield "Left out by the run:"
        yield ""
        for left in self.manifest.left_out:
            count = "" if left.count is None else f"{left.count} "
            yield f"  {self.paint.faint('-')} {count}{harmless(left.what)} ({harmless(left.why)})"

    def differences(self) -> Iterator[str]:
        different = [listed for listed in self.manifest.lists if listed.stored != listed.planned]
        if different:
            yield "Not as many as planned:"
            yield ""
            yield from _cut([_difference(listed) for listed in different], _MOST_DIFFERENCES)
        torn = [listed for listed in self.manifest.lists if listed.resource_version and not listed.consistent]
        if torn:
            if different:
                yield ""
            yield "Lists that took longer than the API server keeps them: their later items are of a later moment:"
            yield ""
            yield from _cut([_where(listed) for listed in torn], _MOST_DIFFERENCES)

    def uncovered(self) -> Iterator[str]:
        volumes = self.plan.uncovered
        if not volumes or on_uncovered(self.plan) == "ignore":
            return
        alarm = self.paint.bad if blocked_by_volumes(self.plan) else self.paint.warning
        one = len(volumes) == 1
        objects, data = ("its object is", "its data is") if one else ("their objects are", "their data is")
        yield alarm(f"{counted(len(volumes), 'volume')} uncovered: {objects} stored, {data} not:")
        yield ""
        named = [(harmless(line.name), harmless(line.first.capacity)) for line in folded(volumes)]
        width = max(len(name) for name, _ in named[:_MOST_VOLUMES])
        yield from _cut([f"{name:<{width}}  {size}".rstrip() for name, size in named], _MOST_VOLUMES, alarm("!"))

    def empty_includes(self) -> Iterator[str]:
        if not self.plan.empty_includes:
            return
        yield self.paint.warning("Includes that matched nothing (allowEmpty: true accepts that):")
        yield ""
        yield from _cut([harmless(include) for include in self.plan.empty_includes], _MOST_DIFFERENCES, "!")

    def leftovers(self) -> Iterator[str]:
        if not self.result.leftovers:
            return
        yield "Runs that never finished (or still go on) have left in the store:"
        yield ""
        for left in self.result.leftovers:
            yield f"  {self.paint.warning('!')} {harmless(left.backup)}: {_remains(left)}"

    def warnings(self) -> Iterator[str]:
        # Those of leftovers are in a section of their own.
        dead = tuple(f"{left.backup} was begun" for left in self.result.leftovers)
        for warning in self.manifest.warnings:
            if not dead or not warning.startswith(dead):
                first, *rest = wrapped(f"Warning: {harmless(warning)}", "  ", first="")
                yield self.paint.warning(first)
                yield from rest

    def next(self, reach: str) -> Iterator[str]:
        name = shlex.quote(self.manifest.name)
        yield "Next:"
        yield f"  trysail verify {name} {harmless(reach)}"
        yield f"  trysail describe {name} {harmless(reach)}"


def _cut(lines: Sequence[str], most: int, mark: str = "~") -> Iterator[str]:
    yield from (f"  {mark} {line}" for line in lines[:most])
    if len(lines) > most:
        yield f"    and {len(lines) - most} more"


def _where(listed: Listed) -> str:
    return harmless(f"{listed.resource} in namespace {listed.namespace}" if listed.namespace else listed.resource)


def _difference(listed: Listed) -> str:
    return f"{_where(listed)}: planned {listed.planned}, stored {listed.stored}"


def _remains(left: Leftover) -> str:
    parts = [f"{counted(left.keys, 'key')}, {sized(left.size)}"] if left.keys else []
    if left.uploads:
        parts.append(counted(left.uploads, "unfinished upload"))
    return ", ".join(parts)


def with_options(url: str, location: Mapping[str, Any]) -> str:
    """The URL with what it does not say: endpoint, region, CA file. Credentials come from the environment."""
    config, storage = location.get("config", {}), location.get("objectStorage", {})
    options = {name: _word(config[name]) for name in _URL_OPTIONS if config.get(name)}
    if storage.get("caFile"):
        options["caFile"] = storage["caFile"]
    return f"{url}?{urlencode(options, safe='/:')}" if options else url


def _word(value: Any) -> str:
    return "true" if value is True else str(value)
