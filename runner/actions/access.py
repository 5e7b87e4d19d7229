"""Who may do what: ServiceAccounts, their tokens, and bindings whose subjects move with their namespaces."""

from __future__ import annotations

import re

from runner.actions.fields import drop_from, keep_where, part, parts, text
from runner.actions.restored import Case, LeftAlone

_ALL_ACCOUNTS = "system:serviceaccounts:"
_ACCOUNT = "system:serviceaccount:"
# What the cluster notes on a token: a new one has not been used, nor found unused.
_TOKEN_NOTES = ("kubernetes.io/legacy-token-last-used", "kubernetes.io/legacy-token-invalid-since")
# The end of a generated name has no vowels (k8s.io/apimachinery/pkg/util/rand), so that it spells no word.
_GENERATED = "[bcdfghjklmnpqrstvwxz2456789]{5}"


def legacy_token(account: str, secret: str) -> bool:
    """Whether a Secret has the name that clusters before 1.24 gave the token of each ServiceAccount."""
    return bool(account) and re.fullmatch(f"{re.escape(account)}-token-{_GENERATED}", secret) is not None


def service_account(case: Case) -> None:
    """A ServiceAccount without the names of Secrets that the old cluster had made for it."""

    def keeps(entry: object) -> bool:
        secret = text(entry, "name")
        return not legacy_token(case.item.name, secret) and not _registry_secret(case.item.name, secret)

    keep_where(case.body, "secrets", keeps)


def secret(case: Case) -> LeftAlone | None:
    """A Secret as it is; of one that holds a ServiceAccount's token, only the wish for one.

    The token was signed for another uid, and often by another cluster: the new one fills it in again.
    """
    if case.stored.get("type") != "kubernetes.io/service-account-token":
        return None
    metadata = part(case.body, "metadata")
    if legacy_token(text(metadata, "annotations", "kubernetes.io/service-account.name"), case.item.name):
        return LeftAlone("the old cluster had made this token for its ServiceAccount by itself")
    drop_from(metadata, "annotations", "kubernetes.io/service-account.uid")
    drop_from(metadata, "labels", *_TOKEN_NOTES)
    drop_from(case.body, "data", "token", "ca.crt", "namespace")
    return None


def binding(case: Case) -> None:
    """A RoleBinding or ClusterRoleBinding, for the same accounts where their namespaces are now."""
    rules = case.rules
    for subject in parts(case.body, "subjects"):
        kind, name = text(subject, "kind"), text(subject, "name")
        if kind == "ServiceAccount" and text(subject, "namespace"):
            subject["namespace"] = rules.namespace(subject["namespace"])
        elif kind == "Group" and name.startswith(_ALL_ACCOUNTS):
            subject["name"] = _ALL_ACCOUNTS + rules.namespace(name.removeprefix(_ALL_ACCOUNTS))
        elif kind == "User" and name.startswith(_ACCOUNT):
            namespace, colon, account = name.removeprefix(_ACCOUNT).partition(":")
            subject["name"] = f"{_ACCOUNT}{rules.namespace(namespace)}{colon}{account}"


def _registry_secret(account: str, secret: str) -> bool:
    """Whether a Secret has the name that OpenShift gives an account's access to its own registry."""
    return re.fullmatch(f"{re.escape(account)}-dockercfg-{_GENERATED}", secret) is not None
