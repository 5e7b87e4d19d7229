"""Commands in Pods that a restore has brought back, after it: by its policy, or by the Pods' own annotations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from runner import wiring_volumes
from runner.engine.restore.hooks import RestoreHookPorts, pods_there, run_restore_hooks
from runner.engine.restore.restore import RestorePorts
from runner.engine.retry import Retrier
from runner.errors import ClusterError, Unauthorized
from runner.model.event import Warned
from runner.model.hooks import RestoreHooks
from runner.model.restore import CHANGING, RestorePlan
from runner.model.restored import RestoreResult


@dataclass(frozen=True)
class AfterRestore:
    """The hooks of one restore."""

    plan: RestorePlan
    hooks: RestoreHooks | None
    ports: RestorePorts

    def run(self, restore: Callable[[], RestoreResult]) -> RestoreResult:
        """What `restore` returns, with what became of the hooks."""
        namespaces = sorted({step.namespace for step in self.plan.steps if step.namespace and step.action in CHANGING})
        if not namespaces or "://" not in self.plan.target.server:
            return restore()  # a folder of manifests runs no Pods
        retrier = Retrier(self.ports.clock, self.ports.observer)
        since = self.ports.clock.now()
        try:
            before = pods_there(self.ports.cluster, retrier, namespaces)
        except Unauthorized:
            raise
        except ClusterError as error:
            self.ports.observer.notice(Warned(message=f"no hook is run after the restore: {error.message}"))
            return restore()
        result = restore()
        outcome = run_restore_hooks(
            self.hooks,
            namespaces,
            since,
            RestoreHookPorts(
                self.ports.cluster,
                wiring_volumes.pod_exec(self.ports.cluster),
                self.ports.executor,
                self.ports.clock,
                retrier,
                self.ports.observer,
                wiring_volumes.redact,
            ),
            before=before,
        )
        warnings = tuple(sorted({*result.warnings, *outcome.warnings}))
        return msgspec.structs.replace(result, hooks=outcome.failed, warnings=warnings)
