"""The order of a restore: tiers, one after the other. Velero's priorities, and what it lacks. Pure.

Objects whose own API answers only once workloads run (a CRD that converts by webhook, an aggregated API) come after
everything else, and webhook configurations after those: a webhook whose service is not up refuses what it is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from runner.plan.order import PRIORITIES

# Velero's own (pkg/cmd/server/config): what other controllers act upon at once, when all else is there.
LOW_PRIORITIES = (
    "clusterbootstraps.run.tanzu.vmware.com",
    "clusters.cluster.x-k8s.io",
    "clusterresourcesets.addons.cluster.x-k8s.io",
    "apps.kappctrl.k14s.io",
    "packageinstalls.packaging.carvel.dev",
)
WEBHOOKS = frozenset(
    {
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
    }
)
CRDS = "customresourcedefinitions.apiextensions.k8s.io"
NAMESPACES = "namespaces"


@dataclass(frozen=True)
class Order:
    """Gives each type its tier. `late` names the types whose API needs workloads that are restored too."""

    high: Sequence[str] = PRIORITIES
    low: Sequence[str] = LOW_PRIORITIES
    late: Collection[str] = ()
    _rank: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Nothing can be created before its definition and its namespace, whatever the priorities say.
        first = [CRDS, NAMESPACES]
        high = first + [name for name in self.high if name not in first]
        middle = len(high)
        rank = {name: number for number, name in enumerate(high)}
        rank |= {name: middle + 1 + number for number, name in enumerate(self.low) if name not in first}
        object.__setattr__(self, "_rank", rank)
        object.__setattr__(self, "_middle", middle)
        object.__setattr__(self, "_last", middle + 1 + len(self.low))

    _middle: int = field(init=False, repr=False)
    _last: int = field(init=False, repr=False)

    def tier(self, resource: str) -> int:
        """The tier of a type, from 0."""
        if resource in WEBHOOKS:
            return self._last + 1
        if resource in self.late:
            return self._last
        return self._rank.get(resource, self._middle)
