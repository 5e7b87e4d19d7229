"""From an item as it was stored to the body that is sent to create it, or the reason why it is left alone.

First what holds for every item, then the rule for its kind, the namespace it goes to, the user's modifiers, and last
the labels that say where it came from. References to namespaces in kinds without a rule are not guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.actions import access, cluster_scope, pods, services, storage, workloads
from runner.actions.fields import copied, drop_from, parts, text
from runner.actions.modify import modified
from runner.actions.never import never_restored
from runner.actions.restored import (
    BACKUP_LABEL,
    Case,
    LeftAlone,
    Others,
    Prepared,
    RestoreRules,
    Rule,
    bare,
    label_value,
)
from runner.model.cluster import ItemId

_RBAC = "rbac.authorization.k8s.io"
_SNAPSHOTS = "snapshot.storage.k8s.io"
_RULES: dict[tuple[str, str], Rule] = {
    ("", "namespaces"): cluster_scope.namespace,
    ("", "persistentvolumeclaims"): storage.claim,
    ("", "persistentvolumes"): storage.volume,
    ("", "pods"): pods.pod,
    ("", "podtemplates"): workloads.pod_template,
    ("", "replicationcontrollers"): workloads.workload,
    ("", "secrets"): access.secret,
    ("", "serviceaccounts"): access.service_account,
    ("", "services"): services.service,
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"): cluster_scope.webhooks,
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"): cluster_scope.webhooks,
    ("apiextensions.k8s.io", "customresourcedefinitions"): cluster_scope.definition,
    ("apiregistration.k8s.io", "apiservices"): cluster_scope.api_service,
    ("apps", "daemonsets"): workloads.workload,
    ("apps", "deployments"): workloads.workload,
    ("apps", "replicasets"): workloads.workload,
    ("apps", "statefulsets"): workloads.workload,
    ("batch", "cronjobs"): workloads.cron_job,
    ("batch", "jobs"): workloads.job,
    (_RBAC, "clusterrolebindings"): access.binding,
    (_RBAC, "rolebindings"): access.binding,
    (_SNAPSHOTS, "volumesnapshotcontents"): storage.snapshot_content,
    (_SNAPSHOTS, "volumesnapshots"): storage.snapshot,
}


def prepare(item: ItemId, stored: dict[str, Any], rules: RestoreRules, others: Others) -> Prepared | LeftAlone:
    """The body that restores an item, and where it goes; or why it is left alone.

    `item` is its id in the backup, `stored` the object as the API server gave it: a Service with its managedFields,
    which tell the ports that were asked for. It is not changed. kubectl's last-applied annotation is the user's and
    stays, except where the namespace changes: there it would lie. ValueError where a modifier does not apply.
    """
    why = never_restored(item, stored)
    if why:
        return LeftAlone(why)
    left = workloads.left_to_controller(item, stored, others)
    if left is not None:
        return left
    case = Case(item, stored, bare(stored), rules, others)
    rule = _RULES.get((item.group, item.plural))
    left = rule(case) if rule is not None else None
    if left is not None:
        return left
    _move(case)
    # A modifier may write anything; what no item may bring is taken out of its work too.
    body = bare(modified(item, case.body, rules.modifiers)) if rules.modifiers else case.body
    _label(body["metadata"], rules)
    target = item._replace(namespace=text(body, "metadata", "namespace"), name=text(body, "metadata", "name"))
    return Prepared(target, body, _owners(stored, others) if rules.name_owners else ())


def _move(case: Case) -> None:
    metadata, old = case.body["metadata"], case.item.namespace
    if old:
        metadata["namespace"] = case.rules.namespace(old)
    if (metadata.get("namespace", ""), metadata["name"]) != (old, case.item.name):
        drop_from(metadata, "annotations", services.LAST_APPLIED)


def _label(metadata: dict[str, Any], rules: RestoreRules) -> None:
    labels = metadata.get("labels")
    own = labels if isinstance(labels, dict) else {}
    metadata["labels"] = {**own, **rules.labels, BACKUP_LABEL: label_value(rules.backup)}


def _owners(stored: Mapping[str, Any], others: Others) -> tuple[dict[str, Any], ...]:
    owners = parts(stored, "metadata", "ownerReferences")
    return tuple(copied(owner) for owner in owners if others.selected(text(owner, "uid")))
