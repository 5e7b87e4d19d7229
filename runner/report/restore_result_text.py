"""How a restore ended, as text: short when all is well, every failure by name and reason when not. Prints nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from runner.model.restored import Failed, RestoreResult
from runner.report.paint import Paint
from runner.report.restore_lines import flowed
from runner.report.restore_outline import stored_at
from runner.report.result_text import with_options
from runner.report.volumes_result_text import restored_lines
from runner.report.words import counted, harmless, wrapped

_IN_CLUSTER = "in-cluster"  # the context of a Pod's own cluster: no option of ours names it


def render_restore_result(result: RestoreResult, *, reach: str = "", color: bool = False) -> str:
    """The whole text. `reach` is what leads a next command to the undo backup (`-f policy.yaml`).

    Without it, that is the location that the restored backup lies in.
    """
    page = _Page(result, Paint(color))
    if not reach:
        url = with_options(stored_at(result.plan), result.plan.location)
        reach = f"--location {shlex.quote(url)}"
    volumes = restored_lines(result, page.paint)
    ended = (page.head(), volumes, page.failed(), page.hooks())
    sections = (*ended, page.not_planned(), page.warnings(), page.undo(reach), page.next())
    texts = ("\n".join(section) for section in sections)
    return "\n\n".join(text for text in texts if text) + "\n"


class _Page:
    """One generator of lines for each section; none of them where it has nothing to say."""

    def __init__(self, result: RestoreResult, paint: Paint) -> None:
        self.result, self.plan, self.paint = result, result.plan, paint
        self.partial = result.failed or result.hooks or any(volume.outcome == "failed" for volume in result.volumes)

    def head(self) -> Iterator[str]:
        result, target = self.result, self.plan.target
        phase = self.paint.bad("PartiallyFailed") if self.partial else self.paint.good("Completed")
        written = result.created + result.updated + result.recreated
        speed = f", {written / result.seconds:.0f} objects/s" if result.seconds > 0 and written else ""
        name = self.paint.bold(harmless(f"Restore of {self.plan.backup.name}"))
        yield f"{name} {phase}: {counted(written, 'item')} in {result.seconds:.1f} s{speed}"
        yield ""
        yield from wrapped(self._done(), " " * 8, first="  done  ")
        yield harmless(f"  into  {target.context or '-'}, {target.server}")
        yield harmless(f"        (cluster {target.uid or 'unknown'})")

    def _done(self) -> str:
        result = self.result
        parts = [f"{result.created} created", f"{result.updated} updated", f"{result.recreated} recreated"]
        if result.already:
            parts.append(f"{result.already} done already, by an earlier run")
        if result.failed:
            parts.append(f"{len(result.failed)} failed")
        return ", ".join(parts)

    def failed(self) -> Iterator[str]:
        """Each item that failed, by the API server's reason."""
        if not self.result.failed:
            return
        yield self.paint.bad(f"{counted(len(self.result.failed), 'item')} failed:")
        reasons: dict[str, list[Failed]] = {}
        for failed in self.result.failed:
            reasons.setdefault(failed.reason, []).append(failed)
        for reason, failures in reasons.items():
            yield ""
            number = f"{len(failures)}: " if len(failures) > 1 else ""
            first, *rest = wrapped(number + harmless(reason), " " * 4)
            yield f"  {self.paint.bad('!')} {first.lstrip()}"
            yield from rest
            yield from self._items(failures)

    def hooks(self) -> Iterator[str]:
        """Commands in Pods that failed, and whose failure matters."""
        if not self.result.hooks:
            return
        yield self.paint.bad(f"{counted(len(self.result.hooks), 'command')} in Pods failed:")
        yield ""
        for problem in self.result.hooks:
            first, *rest = wrapped(harmless(problem), " " * 4)
            yield f"  {self.paint.bad('!')} {first.lstrip()}"
            yield from rest

    def _items(self, failures: list[Failed]) -> Iterator[str]:
        names: dict[tuple[str, str, str], list[str]] = {}
        for failed in failures:
            names.setdefault((failed.namespace, failed.resource, failed.action), []).append(failed.name)
        for (namespace, resource, action), found in names.items():
            place = f"{namespace}/{resource}" if namespace else resource
            yield harmless(f"      {action} {place}")
            yield from flowed([harmless(name) for name in found], " " * 8)

    def not_planned(self) -> Iterator[str]:
        """What the plan itself had left out, so that nobody takes the restore for whole."""
        parts = []
        for action, words in (("conflict", "in conflict"), ("invalid", "invalid"), ("skip", "skipped")):
            number = sum(len(step.names) for step in self.plan.steps if step.action == action)
            if number:
                parts.append(f"{number} {words}")
        refused = sum(volume.action == "refuse" for volume in self.plan.volumes)
        if refused:
            parts.append(f"data of {counted(refused, 'volume')}")
        if self.plan.gaps:
            parts.append(counted(len(self.plan.gaps), "gap"))
        if self.plan.empty_includes:
            parts.append(f"{counted(len(self.plan.empty_includes), 'include')} without a match")
        if parts:
            for line in wrapped(f"Not restored, as the plan said: {', '.join(parts)}.", "  ", first=""):
                yield self.paint.warning(line)

    def warnings(self) -> Iterator[str]:
        for warning in self.result.warnings:
            first, *rest = wrapped(f"Warning: {harmless(warning)}", "  ", first="")
            yield self.paint.warning(first)
            yield from rest

    def undo(self, reach: str) -> Iterator[str]:
        result = self.result
        if result.undo:
            yield harmless(f"What was overwritten is saved as {result.undo}.")
            yield "This brings it back; what was created stays:"
            yield ""
            command = f"trysail restore {shlex.quote(result.undo)} {reach}{self._target()}"
            yield harmless(f"  {command} \\")
            # What had to be recreated may differ in what an update cannot change.
            policy = "recreate" if result.recreated else "update"
            yield f"    --existing-resource-policy {policy} --force-conflicts"
        elif result.updated + result.recreated:
            yield self.paint.warning("What was overwritten was not saved: it cannot be brought back.")

    def _target(self) -> str:
        target = self.plan.target
        if "://" not in target.server:
            return f" --manifests {shlex.quote(target.server)}" if target.server else ""
        return f" --context {shlex.quote(target.context)}" if target.context not in {"", _IN_CLUSTER} else ""

    def next(self) -> Iterator[str]:
        if self.partial:
            yield "Next:"
            yield "  see to these reasons; then the same command goes on from here: what is done"
            yield "  is found done, and nothing is created twice"
