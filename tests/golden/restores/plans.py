"""Plans of restores in few words, and those whose texts are golden files beside this one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from runner.model.plan import Gap, LeftOut
from runner.model.restore import (
    RESTORE_FORMAT,
    Action,
    BackupRef,
    FieldChange,
    ItemChange,
    RestorePlan,
    RestoreStep,
    RestoreVolume,
    TargetCluster,
)
from runner.plan.restore import MISSING, SAME

UID = "5b181d0f-010e-43d5-bafe-a9404b9f8dc3"
BACKUP = BackupRef("shop-20260301020000-ab12", "demo", "shop", f"sha256:{'1' * 64}", "2026-03-01T02:00:07Z")
TARGET = TargetCluster(UID, "prod-eu", "https://10.0.0.1:6443")
UPDATED = "it differs: existingResourcePolicy update"
RECREATED = "it differs: existingResourcePolicy recreate"
ALONE = "it is there and differs: existingResourcePolicy none"
Fate = Literal["restore", "empty", "leave", "refuse"]
FATES: tuple[Fate, ...] = ("restore", "empty", "leave", "refuse")
_WHYS: Mapping[Action, str] = {
    "create": MISSING,
    "update": UPDATED,
    "recreate": RECREATED,
    "unchanged": SAME,
    "skip": ALONE,
    "conflict": "fields that would change belong to kubectl",
    "invalid": "the API server refuses it",
}


def step(place: str, action: Action, *names: str, why: str = "", **fields: Any) -> RestoreStep:
    """`shop/configmaps` or `nodes`: a type, in a namespace or in none."""
    namespace, _, resource = place.rpartition("/")
    return RestoreStep(
        tier=fields.pop("tier", 0),
        resource=resource,
        api_version="v1",
        kind=resource.partition(".")[0].removesuffix("s").capitalize(),
        namespace=namespace,
        action=action,
        why=why or _WHYS[action],
        names=names,
        **fields,
    )


def differs(place: str, name: str, *fields: FieldChange) -> ItemChange:
    """What differs of one item."""
    namespace, _, resource = place.rpartition("/")
    return ItemChange(resource, namespace, name, fields)


def restore_plan(steps: Iterable[RestoreStep], spec: Mapping[str, Any] | None = None, **fields: Any) -> RestorePlan:
    """A plan of these steps, by a policy that says `spec`."""
    parts: dict[str, Any] = {
        "format_version": RESTORE_FORMAT,
        "kind": "RestorePlan",
        "digest": f"sha256:{'2' * 64}",
        "backup": BACKUP,
        "target": TARGET,
        "policy_name": "shop-again",
        "policy": {"kind": "RestorePolicy", "metadata": {"name": "shop-again"}, "spec": dict(spec or {})},
        "location": {"provider": "s3", "objectStorage": {"bucket": "backups", "prefix": "prod"}},
        "steps": tuple(steps),
        "changes": (),
        "left_out": (),
        "gaps": (),
        "empty_includes": (),
        "warnings": (),
    }
    return RestorePlan(**{**parts, **fields})


def volume(claim: str, action: Fate, **fields: Any) -> RestoreVolume:
    """The data of `namespace/claim`, which the backup keeps as a snapshot of an EBS volume."""
    namespace, _, name = claim.partition("/")
    snapshot = f"snap-{name}"
    usual: dict[str, Any] = {
        "namespace": namespace,
        "claim": name,
        "action": action,
        "method": "native-snapshot",
        "why": f"from {snapshot}",
        "snapshot": snapshot,
        "driver": "ebs.csi.aws.com",
        "capacity": "50Gi",
    }
    return RestoreVolume(**{**usual, **fields})


def names(count: int, stem: str) -> tuple[str, ...]:
    """`web-00`, `web-01` and so on."""
    return tuple(f"{stem}-{number:02}" for number in range(count))


def every_fate() -> RestorePlan:
    """A namespace half destroyed: something of everything that a plan can say."""
    web = "shop-prod/deployments.apps"
    return restore_plan(
        [
            step("customresourcedefinitions.apiextensions.k8s.io", "unchanged", "storefronts.shop.example.com"),
            step("namespaces", "create", "shop-dev", why="what is restored lives in it", tier=1),
            step("namespaces", "unchanged", "shop-prod", "shop-staging", tier=1),
            step("persistentvolumes", "conflict", "pv-7", tier=2,
                 why="it differs, and is never recreated: its data might be deleted with it"),
            step("clusterroles.rbac.authorization.k8s.io", "skip", "shop-reader", tier=3),
            step("shop-dev/configmaps", "create", "api", "web", tier=5),
            step("shop-prod/secrets", "update", "api-tls", tier=4),
            step("shop-prod/configmaps", "create", *names(12, "settings"), tier=5),
            step("shop-prod/configmaps", "update", "api", "web", tier=5),
            step("shop-prod/configmaps", "unchanged", *names(40, "same"), tier=5),
            step("shop-prod/services", "invalid", "legacy", tier=6,
                 why='the API server refuses it: Service "legacy" is invalid: spec.ports[0].nodePort: Invalid value: '
                 "31000: provided port is already allocated"),
            step(web, "update", "api", tier=7),
            step(web, "conflict", "web", "worker", tier=7,
                 why="fields that would change belong to argocd-controller, kube-controller-manager"),
            step("shop-prod/jobs.batch", "recreate", "import", tier=7),
            step("shop-staging/configmaps", "unchanged", *names(7, "same"), tier=5),
        ],
        {"includedNamespaces": ["shop-*"], "existingResourcePolicy": "update", "backupName": "latest"},
        changes=(
            differs("persistentvolumes", "pv-7", FieldChange("spec.capacity.storage", "20Gi", "10Gi")),
            differs("clusterroles.rbac.authorization.k8s.io", "shop-reader",
                    FieldChange("rules[0].verbs", ["get", "list"], ["get"])),
            differs("shop-prod/secrets", "api-tls",
                    FieldChange('data["tls.crt"]', "sha256:5f70bf18a086", "sha256:9c1185a5c5e9"),
                    FieldChange('data["tls.key"]', "sha256:aaaaaaaaaaaa", "sha256:bbbbbbbbbbbb")),
            differs("shop-prod/configmaps", "api", FieldChange("data.mode", "debug", "info"),
                    FieldChange("data.banner", None, "Welcome"), FieldChange("metadata.labels.team", "x", None)),
            differs("shop-prod/configmaps", "web", FieldChange("data.colour", "red", "green")),
            differs(web, "api", FieldChange("spec.replicas", 2, 3),
                    FieldChange("spec.template.spec.containers[name=api].image",
                                "registry.example.com/shop/api:2.1.0-rc.1", "registry.example.com/shop/api:2.0.7")),
            differs(web, "web", FieldChange("spec.replicas", 1, 6, "kube-controller-manager"),
                    FieldChange("spec.template.spec.containers[name=web].image", "web:3", "web:2",
                                "argocd-controller"),
                    FieldChange("spec.template.spec.priorityClassName", None, "high")),
            differs(web, "worker", *(FieldChange(f"spec.field{n}", n, n + 1, "argocd-controller") for n in range(5))),
            differs("shop-prod/jobs.batch", "import", FieldChange("spec.completions", 1, 4)),
        ),
        left_out=(
            LeftOut("namespace kube-system", "not in includedNamespaces"),
            LeftOut("namespace default", "not in includedNamespaces"),
            LeftOut("type storageclasses.storage.k8s.io", "nothing selected is related to them"),
            LeftOut("items", "excludedItems secrets/sh.helm.release.v1.*", 3),
            LeftOut("pods", "its ReplicaSet api-6d4 is restored, and makes it again", 2),
            LeftOut("pods", "its ReplicaSet web-77f is restored, and makes it again", 3),
            LeftOut("endpoints", "the endpoints of a Service are made from its Pods", 4),
            LeftOut("endpointslices.discovery.k8s.io", "the endpoints of a Service are made from its Pods", 4),
            LeftOut("type leases.coordination.k8s.io", "a lease belongs to a running process", 6),
        ),
        gaps=(
            Gap("poddisruptionbudgets.policy in namespace shop-prod", "poddisruptionbudgets is forbidden"),
            Gap("the right to create services in namespace shop-prod", "the API server would refuse it"),
        ),
        volumes=(
            volume("shop-prod/cache", "empty", method="skip", snapshot="",
                   why="the backup does not keep its data: volumePolicies[1]: skip (scratch)"),
            *(volume(f"shop-prod/data-{number}", "restore") for number in range(2)),
            volume("shop-prod/images", "leave", why="its PersistentVolume pv-7 is there: the claim binds to it again"),
            volume("shop-prod/queue", "refuse", snapshot="", why="the backup has no data of it: its snapshot failed"),
            volume("shop-prod/slow", "restore", method="csi-snapshot", driver="rbd.csi.ceph.com",
                   snapshot="0001-0009-rook-ceph-0000000000000002-ffaaeed4-7b3a-11ee-b962-0242ac120002",
                   why="from 0001-0009-rook-ceph-0000000000000002-ffaaeed4-7b3a-11ee-b962-0242ac120002, "
                   "which was not complete when the backup ended"),
            volume("shop-prod/tmp", "leave", why="its PersistentVolume pv-9 is there: the claim binds to it again"),
        ),
        empty_includes=('includedNamespaces "shp-*" matches no namespace',),
        warnings=(
            "horizontalpodautoscalers.autoscaling: autoscaling/v2beta2 is not served any more: they are sent as "
            "autoscaling/v2, and refused if it lacks a field",
        ),
    )  # fmt: skip


def elsewhere() -> RestorePlan:
    """Into another cluster under other names, with the API server asked."""
    soon = "its namespace is not there yet"
    return restore_plan(
        [
            step("namespaces", "create", "shop", why=f"as shop-dr: {MISSING}"),
            step("shop-dr/persistentvolumeclaims", "create", "data-0", source="shop", tier=2, unverifiable=soon),
            step("shop-dr/configmaps", "create", *names(3, "web"), source="shop", tier=3, unverifiable=soon),
            step("shop-dr/deployments.apps", "create", "api", "web", source="shop", tier=4, unverifiable=soon),
            step("shop-dr/storefronts.shop.example.com", "create", "main", source="shop", tier=5,
                 why=f"{MISSING}; after customresourcedefinitions.apiextensions.k8s.io",
                 unverifiable="its type is not there yet"),
        ],
        {
            "namespaceMapping": {"shop": "shop-dr"},
            "storageClassMapping": {"gp3": "standard", "efs": "nfs"},
            "labels": {"restored": "drill"},
            "preserveNodePorts": True,
            "restoreVolumes": True,
            "hooks": {
                "resources": [
                    {
                        "name": "warm",
                        "includedNamespaces": ["shop-*"],
                        "labelSelector": {"matchLabels": {"app": "api"}},
                        "postHooks": [{"exec": {"command": ["/bin/sh", "-c", "curl -s localhost/warm"]}}],
                    }
                ]
            },
            "existingResourcePolicy": "none",
            "resourceModifiers": [
                {"conditions": {"groupResource": "deployments.apps"},
                 "patches": [{"operation": "replace", "path": "/spec/replicas", "value": "1"}]},
                {"conditions": {"groupResource": "secrets"},
                 "mergePatches": [{"patchData": "stringData: {password: hunter2}"}]},
            ],
        },
        location={"provider": "filesystem", "path": "/backups"},
        volumes=(volume("shop-dr/data-0", "restore", source="shop"),),
        server_dry_run=True,
    )  # fmt: skip


def no_changes() -> RestorePlan:
    """The second restore of the same backup."""
    return restore_plan(
        [
            step("namespaces", "unchanged", "shop", "team"),
            step("shop/configmaps", "unchanged", *names(40, "web"), tier=1),
            step("team/secrets", "unchanged", "tls", tier=1),
        ]
    )


def left_alone() -> RestorePlan:
    """Nothing is changed, since the policy leaves alone what differs."""
    return restore_plan(
        [
            step("shop/configmaps", "skip", "web"),
            step("shop/configmaps", "unchanged", "api"),
            step(
                "shop/secrets", "skip", "tls", why="an earlier run of this restore has created it, and it has changed"
            ),
        ],
        changes=(differs("shop/configmaps", "web", FieldChange("data.a", 1, 2), FieldChange("data.b", 1, 2)),),
    )


def hostile() -> RestorePlan:
    """Names, values and reasons of somebody who wants to be more than text."""
    bad = "`<img src=x onerror=alert(1)>` @everyone [x](javascript:alert(1)) | \x1b[2K\r\u202eliame"
    odd = bad.replace("|", "")
    return restore_plan(
        [
            step("clusterroles.rbac.authorization.k8s.io", "create", bad, "<!-- --> ```"),
            step("shop/configmaps", "conflict", "web", why="</code></details><script>alert(1)</script>"),
        ],
        {"labels": {"a": "b"}},
        changes=(differs("shop/configmaps", "web", FieldChange(f"data[{bad}]", "\x1b]0;x\x07", {"a": "\n# b"}, bad)),),
        gaps=(Gap("pods in namespace shop", "\n\n# Approved by @admin\nsee https://evil.example"),),
        warnings=("line\none www.evil.example",),
        volumes=tuple(volume(f"{bad}/{bad}", fate, source=bad, snapshot=bad, why=odd, capacity=odd) for fate in FATES),
        target=TargetCluster(UID, "prod\x1b[31m", "https://evil.example/`|"),
    )


def nothing() -> RestorePlan:
    """Filters that match nothing."""
    return restore_plan([], {"includedNamespaces": ["shp"]}, empty_includes=('includedNamespaces "shp"',))


GOLDEN = {
    "every-fate": every_fate,
    "elsewhere": elsewhere,
    "no-changes": no_changes,
    "left-alone": left_alone,
    "hostile-names": hostile,
    "nothing": nothing,
}
