"""Tests of the rules for ServiceAccounts, Secrets and bindings."""

from __future__ import annotations

import pytest

from tests.unit.actions.restoring import restored, rules_of, stored, why_left

TOKEN = """
apiVersion: v1
kind: Secret
metadata:
  name: ci
  namespace: shop
  annotations:
    kubernetes.io/service-account.name: web
    kubernetes.io/service-account.uid: 84c69e03-8294-44ba-b329-bbdfc7cd54c9
  labels:
    app: ci
    kubernetes.io/legacy-token-last-used: "2026-11-20"
    kubernetes.io/legacy-token-invalid-since: "2026-11-21"
data: {ca.crt: Y2E=, namespace: c2hvcA==, token: dG9rZW4=}
type: kubernetes.io/service-account-token
"""
RBAC = "rbac.authorization.k8s.io"


def test_the_legacy_tokens_of_an_account_are_dropped() -> None:
    """Their Secrets are not restored; those that the user named stay."""
    item = stored(
        """
        metadata: {name: web, namespace: shop}
        imagePullSecrets: [{name: registry}]
        secrets: [{name: web-token-x7k2p}, {name: web-dockercfg-x7k2p}, {name: vault}, {name: web-token-admin}]
        """
    )
    body = restored("serviceaccounts", item)
    assert body["secrets"] == [{"name": "vault"}, {"name": "web-token-admin"}]
    assert body["imagePullSecrets"] == [{"name": "registry"}]


def test_an_account_with_legacy_tokens_only_has_no_secrets() -> None:
    """Not even an empty list, which it had not been given."""
    item = stored("{metadata: {name: web, namespace: shop}, secrets: [{name: web-token-x7k2p}]}")
    assert "secrets" not in restored("serviceaccounts", item)


def test_the_legacy_token_of_an_account_is_left_out() -> None:
    """The old cluster had made it by itself."""
    item = stored(TOKEN)
    item["metadata"]["name"] = "web-token-x7k2p"
    assert "by itself" in why_left("secrets", item)


def test_a_token_that_the_user_asked_for_is_asked_for_again() -> None:
    """Without the old token, its certificate authority and the uid of the account that was."""
    body = restored("secrets", stored(TOKEN))
    assert "data" not in body
    assert body["metadata"]["annotations"] == {"kubernetes.io/service-account.name": "web"}
    assert body["type"] == "kubernetes.io/service-account-token"


def test_the_use_of_an_old_token_is_forgotten() -> None:
    """A new token with the mark of an invalid one would be refused."""
    assert restored("secrets", stored(TOKEN))["metadata"]["labels"] == {"app": "ci"}


def test_what_the_user_added_to_a_token_is_kept() -> None:
    """Only the three keys are the cluster's."""
    item = stored(TOKEN)
    item["data"]["more"] = "bW9yZQ=="
    assert restored("secrets", item)["data"] == {"more": "bW9yZQ=="}


@pytest.mark.parametrize("kind", ["Opaque", "bootstrap.kubernetes.io/token", "helm.sh/release.v1", "kubernetes.io/tls"])
def test_other_secrets_are_restored_as_they_are(kind: str) -> None:
    """Even under the name or the keys of a token."""
    item = stored(f"{{metadata: {{name: web-token-x7k2p, namespace: shop}}, type: {kind}, data: {{token: dA==}}}}")
    assert restored("secrets", item)["data"] == {"token": "dA=="}


BINDING = """
metadata: {name: readers, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects:
- {kind: ServiceAccount, name: web, namespace: shop}
- {kind: ServiceAccount, name: web, namespace: other}
- {kind: ServiceAccount, name: here}
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:serviceaccounts:shop"}
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:serviceaccounts"}
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: "system:serviceaccount:shop:web"}
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: shop}
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: shop}
"""


@pytest.mark.parametrize("plural", ["rolebindings", "clusterrolebindings"])
def test_the_subjects_of_a_binding_follow_their_namespaces(plural: str) -> None:
    """Accounts, the group of a namespace's accounts, and an account as a user; no others."""
    item = stored(BINDING)
    if plural == "clusterrolebindings":
        del item["metadata"]["namespace"]
    body = restored(f"{plural}.{RBAC}", item, rules_of({"shop": "drill"}))
    assert [subject.get("namespace") or subject["name"] for subject in body["subjects"]] == [
        "drill",
        "other",
        "here",
        "system:serviceaccounts:drill",
        "system:serviceaccounts",
        "system:serviceaccount:drill:web",
        "shop",
        "shop",
    ]
    assert body["roleRef"] == item["roleRef"]


def test_roles_are_restored_as_they_are() -> None:
    """They name types and verbs only."""
    item = stored("{metadata: {name: view}, rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}")
    assert restored(f"clusterroles.{RBAC}", item)["rules"] == item["rules"]
