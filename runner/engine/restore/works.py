"""From the steps of a restore's plan to items that can be sent: read from the backup and prepared again, as planned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from runner.actions.restored import BACKUP_LABEL, LeftAlone, label_value
from runner.archive.index import IndexLine
from runner.engine.restore.facts import NAMESPACE, RestoreFacts, number, prepared_item
from runner.engine.restore.items import Work
from runner.model.cluster import ItemId
from runner.model.restore import RestoreStep
from runner.plan.restore_order import NAMESPACES


@dataclass(frozen=True)
class Works:
    """Makes them, in the backup's order."""

    facts: RestoreFacts

    def of(self, step: RestoreStep) -> Iterator[Work]:
        """The works of one step. A namespace that the backup does not hold itself is made from its name."""
        kept = self.facts.kept.all(step.resource, step.source or step.namespace, step.names)
        if kept is not None:
            for name, one in kept:
                yield self._work(step, name, one.uid, (one.api_version, one.kind), one.item, one.body, one.owners)
            return
        missing = set(step.names)
        for line, value in self._objects(step):
            try:
                prepared = prepared_item(line, value, self.facts)
            except ValueError:
                # Planning would have refused any other; this namespace is refused, and needed all the same.
                assert step.resource == NAMESPACES, f"{line.id} was planned, and cannot be prepared"
                continue
            # Planning prepared it from the same facts.
            assert not isinstance(prepared, LeftAlone), f"{line.id} was planned, and is left alone"
            missing.discard(line.name)
            version = line.api_version, line.kind
            yield self._work(step, line.name, line.uid, version, prepared.item, prepared.body, prepared.owners)
        if step.resource == NAMESPACES:
            for name in sorted(missing):
                yield self._bare_namespace(step, name)

    def _objects(self, step: RestoreStep) -> Iterator[tuple[IndexLine, dict[str, Any]]]:
        stored = self.facts.selected_items.stored
        group = self.facts.selected_items.group(step.resource, step.source or step.namespace)
        if group is None:
            return iter(())
        names = frozenset(step.names)
        return stored.objects(line for line in stored.lines(group) if line.name in names)

    def _work(
        self,
        step: RestoreStep,
        name: str,
        uid: str,
        version: tuple[str, str],
        item: ItemId,
        body: dict[str, Any],
        owners: tuple[dict[str, Any], ...],
    ) -> Work:
        """`name`, `uid` and `version` (apiVersion, kind) are those in the backup."""
        route = self.facts.route(step.resource, *version)
        assert route.resource is not None, "a step that changes has a route"
        return Work(
            action=step.action,
            why=step.why,
            resource=route.resource,
            item=item,
            stored=step.resource,
            name=name,
            uid=uid,
            body={**body, "apiVersion": route.resource.api_version},
            live=self.facts.live.get(number(uid), ""),
            owners=owners,
            new_type=bool(route.after) or step.resource in self.facts.served.coming.definitions,
            strict=bool(route.mapped),
        )

    def _bare_namespace(self, step: RestoreStep, name: str) -> Work:
        target = self.facts.rules.namespace(name)
        labels = {**self.facts.rules.labels, BACKUP_LABEL: label_value(self.facts.rules.backup)}
        return Work(
            action=step.action,
            why=step.why,
            resource=NAMESPACE,
            item=ItemId("", NAMESPACES, "", target),
            stored=NAMESPACES,
            name=name,
            uid="",
            body={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": target, "labels": labels}},
        )
