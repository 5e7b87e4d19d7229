"""Which items belong to items that are selected, though no filter takes them: Velero's rules without its excess.

Pod → claims; claim → volume; ServiceAccount → bindings → roles; custom resource → CRD. Velero also goes from a claim
to every Pod that mounts it, which takes far too much (vmware-tanzu/velero#9078): that is left out on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runner.model.inventory import BindingFacts, ClaimFacts, PodFacts, Row


def claims_of_pods(pods: Iterable[Row]) -> Iterator[tuple[tuple[str, str], str]]:
    """((namespace, claim's name), why) for each claim that a Pod mounts."""
    for pod in pods:
        if isinstance(pod.facts, PodFacts):
            for claim in pod.facts.claims:
                yield (pod.namespace, claim), f"mounted by pod {pod.namespace}/{pod.name}"


def volumes_of_claims(claims: Iterable[Row]) -> Iterator[tuple[str, str]]:
    """(volume's name, why) for each volume that a claim is bound to."""
    for claim in claims:
        if isinstance(claim.facts, ClaimFacts) and claim.facts.volume:
            yield claim.facts.volume, f"bound to claim {claim.namespace}/{claim.name}"


def bindings_of_accounts(bindings: Iterable[Row], accounts: frozenset[tuple[str, str]]) -> Iterator[tuple[Row, str]]:
    """(binding, why) for each binding that names one of `accounts` (namespace, name), or all of a namespace's."""
    namespaces = {namespace for namespace, _ in accounts}
    for binding in bindings:
        if not isinstance(binding.facts, BindingFacts):
            continue
        for account in binding.facts.accounts:
            namespace, _, name = account.partition("/")
            if (namespace, name) in accounts or (name == "*" and namespace in namespaces):
                yield binding, f"binds service account {account}"
                break


def roles_of_bindings(bindings: Iterable[Row]) -> Iterator[tuple[tuple[str, str, str], str]]:
    """((Role | ClusterRole, namespace or "", name), why) for each role that a binding grants."""
    for binding in bindings:
        if isinstance(binding.facts, BindingFacts):
            namespace = binding.namespace if binding.facts.role_kind == "Role" else ""
            by = f"rolebinding {binding.namespace}/" if binding.namespace else "clusterrolebinding "
            yield (binding.facts.role_kind, namespace, binding.facts.role), f"granted by {by}{binding.name}"
