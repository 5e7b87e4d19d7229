"""What a real API server alone refuses, and what becomes of it: schemas, quotas, admission, rights, the collector."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from itertools import count

import msgspec
import pytest

from runner.adapters.kubernetes import KubernetesCluster
from runner.errors import AlreadyExists, ClusterBusy, ClusterError, Forbidden, QuotaExceeded, Rejected
from runner.model.cluster import Resource, Right
from runner.ports import Cluster
from tests.conformance.clusters import (
    CLUSTER_ROLES,
    CONFIG_MAPS,
    NAMESPACES,
    SECRETS,
    decoded,
    is_there,
    make,
    of,
    raw,
)
from tests.fakes.cluster import config_map
from tests.parts.controlplane import ControlPlane
from tests.real.waiting import wait_for

pytestmark = pytest.mark.real

SERVICES = Resource("", "services", "v1", "Service", namespaced=True)
QUOTAS = Resource("", "resourcequotas", "v1", "ResourceQuota", namespaced=True)
CONTROLLERS = Resource("", "replicationcontrollers", "v1", "ReplicationController", namespaced=True)
PODS = Resource("", "pods", "v1", "Pod", namespaced=True)
POLICIES = Resource(
    "admissionregistration.k8s.io",
    "validatingadmissionpolicies",
    "v1",
    "ValidatingAdmissionPolicy",
    namespaced=False,
)
BINDINGS = msgspec.structs.replace(
    POLICIES, plural="validatingadmissionpolicybindings", kind="ValidatingAdmissionPolicyBinding"
)
WEBHOOKS = msgspec.structs.replace(
    POLICIES, plural="validatingwebhookconfigurations", kind="ValidatingWebhookConfiguration"
)
VALUE = "c2VjcmV0IHZhbHVl"
_NUMBERS = count(1)


@pytest.fixture
def viewer(control_plane: ControlPlane) -> Cluster:
    """The same one, for somebody without rights."""
    return KubernetesCluster.connect(str(control_plane.kubeconfig), control_plane.context("nobody"))


@pytest.fixture
def namespace(api_server: Cluster) -> str:
    """A namespace of the test's own."""
    name = f"api-server-{next(_NUMBERS)}"
    make(api_server, NAMESPACES, "", of(NAMESPACES, name))
    return name


def test_what_is_deleted_leaves_what_it_owns(api_server: Cluster, namespace: str) -> None:
    """The garbage collector lets go of what the deleted one owned, and takes the reference away."""
    uid = make(api_server, CONFIG_MAPS, namespace, config_map(namespace, "owner"))
    owned = config_map(namespace, "owned")
    owned["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}]
    make(api_server, CONFIG_MAPS, namespace, owned)
    api_server.delete(CONFIG_MAPS, namespace, "owner", uid=uid)

    wait_for(lambda: not is_there(api_server, CONFIG_MAPS, namespace, "owner"), "the owner to go")
    assert "ownerReferences" not in decoded(api_server.get(CONFIG_MAPS, namespace, "owned"))["metadata"]


def test_unknown_fields(api_server: Cluster, namespace: str) -> None:
    """Are refused where it is strict, and warned of where it is not."""
    body = raw({**config_map(namespace, "a"), "nosuch": 1, 'quo"ted, ü': 2})
    with pytest.raises(Rejected, match='unknown field "nosuch"') as refused:
        api_server.create(CONFIG_MAPS, namespace, body, strict=True)
    assert "lacks this field" in refused.value.hint
    written = api_server.create(CONFIG_MAPS, namespace, body)
    assert sorted(written.warnings) == ['unknown field "nosuch"', 'unknown field "quo\\"ted, ü"']
    assert "nosuch" not in decoded(written.raw)
    with pytest.raises(Rejected, match="field not declared in schema"):  # of one of them, in no order
        api_server.apply(CONFIG_MAPS, namespace, "a", body)


def test_a_quota_without_room(api_server: Cluster, namespace: str) -> None:
    """Is QuotaExceeded, with the quota's name and numbers."""
    make(api_server, QUOTAS, namespace, of(QUOTAS, "few", spec={"hard": {"count/secrets": "0"}}))

    def refused() -> bool:  # soon: the API server does not know of a new quota at once
        try:
            make(api_server, SECRETS, namespace, of(SECRETS, f"a{next(_NUMBERS)}"))
        except QuotaExceeded as error:
            return "exceeded quota: few" in error.message and "ResourceQuota" in error.hint
        except ClusterError:
            return False
        return False

    wait_for(refused, "the quota")


def test_invalid_objects(api_server: Cluster, namespace: str) -> None:
    """Are Rejected with each field that is wrong; what cannot be changed is said to be immutable."""
    ports = [{"port": 80, "protocol": "SMOKE"}]
    with pytest.raises(Rejected) as refused:
        make(api_server, SERVICES, namespace, of(SERVICES, "a", spec={"type": "Fast", "ports": ports}))
    message = refused.value.message
    assert message.startswith('Service "a" is invalid: spec.')
    assert "spec.ports[0].protocol: Unsupported value" in message
    assert "; spec.type: Unsupported value" in message
    make(api_server, CONFIG_MAPS, namespace, {**config_map(namespace, "a", k="1"), "immutable": True})
    with pytest.raises(Rejected, match="immutable") as fixed:
        api_server.merge(CONFIG_MAPS, namespace, "a", raw({"data": {"k": "2"}}))
    assert "recreate" in fixed.value.hint


def test_no_value_of_a_secret_is_repeated(api_server: Cluster, namespace: str) -> None:
    """Whatever is wrong with it: what the API server says of it may hold its values."""
    wrong: list[Callable[[], object]] = [
        lambda: make(api_server, SECRETS, namespace, of(SECRETS, "a", type=VALUE * 10, data={"!": VALUE})),
        lambda: make(api_server, SECRETS, namespace, of(SECRETS, "a", data=VALUE)),
        lambda: make(api_server, SECRETS, namespace, of(SECRETS, "a", data={"k": f"{VALUE}!"})),
        lambda: api_server.create(SECRETS, namespace, f'{{"data": {{"k": "{VALUE}"'.encode()),
        lambda: api_server.apply(SECRETS, namespace, "a", raw(of(SECRETS, "a", data={"k": {"k": VALUE}}))),
        lambda: api_server.apply(SECRETS, namespace, "a", raw(of(SECRETS, "a", data=[VALUE]))),
        lambda: api_server.apply(SECRETS, namespace, "a", raw(of(SECRETS, "a", labels={"a": VALUE}))),
    ]
    for write in wrong:
        with pytest.raises(Rejected) as refused:
            write()
        said = f"{refused.value.message} {refused.value.hint} {refused.value.context}"
        assert VALUE not in said
        assert VALUE.encode().hex() not in said
    body = raw(of(SECRETS, "a", nosuch=VALUE))
    with pytest.raises(Rejected, match='unknown field "nosuch"'):
        api_server.create(SECRETS, namespace, body, strict=True)
    with pytest.raises(Rejected, match=r"data\[!\]: FieldValueInvalid"):
        make(api_server, SECRETS, namespace, of(SECRETS, "a", data={"!": VALUE}))


def test_admission_that_says_no(api_server: Cluster, namespace: str) -> None:
    """A policy's denial is Rejected, in its own words; of a Secret, without them."""
    name = f"{namespace}.example.com"
    both = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps", "secrets"]}
    expression = {"expression": "false", "messageExpression": "'never ' + string(object.data.k)"}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    constraints = {"resourceRules": [{**both, "operations": ["CREATE"]}], "namespaceSelector": selector}
    spec = {"failurePolicy": "Fail", "matchConstraints": constraints, "validations": [expression]}
    make(api_server, POLICIES, "", of(POLICIES, name, spec=spec))
    make(api_server, BINDINGS, "", of(BINDINGS, name, spec={"policyName": name, "validationActions": ["Deny"]}))

    def refused() -> bool:
        try:
            make(api_server, CONFIG_MAPS, namespace, config_map(namespace, f"a{next(_NUMBERS)}", k="shown"))
        except Rejected as error:
            return "ValidatingAdmissionPolicy" in error.message and "never shown" in error.message
        return False

    wait_for(refused, "the policy to be known")
    with pytest.raises(Rejected, match="ValidatingAdmissionPolicy") as denied:
        make(api_server, SECRETS, namespace, of(SECRETS, "a", data={"k": VALUE}))
    assert b64decode(VALUE).decode() not in denied.value.message


def test_a_webhook_that_does_not_answer(api_server: Cluster, namespace: str) -> None:
    """Is ClusterBusy: it may answer soon, and the hint says whose service it is about."""
    name = f"{namespace}.example.com"
    webhook = {
        "name": name,
        "clientConfig": {"service": {"namespace": namespace, "name": "nobody"}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    uid = make(api_server, WEBHOOKS, "", of(WEBHOOKS, name, webhooks=[webhook]))
    try:

        def refused() -> bool:
            try:
                make(api_server, CONFIG_MAPS, namespace, config_map(namespace, f"a{next(_NUMBERS)}"))
            except ClusterBusy as error:
                return f'failed calling webhook "{name}"' in error.message and "service" in error.hint
            return False

        wait_for(refused, "the webhook to be known")
    finally:
        api_server.delete(WEBHOOKS, "", name, uid=uid)


def test_a_pod_whose_service_account_is_not_there_yet(api_server: Cluster, namespace: str) -> None:
    """May be created soon: in a new namespace the account `default` comes a moment after it."""
    spec = {"serviceAccountName": "later", "containers": [{"name": "a", "image": "a"}]}
    with pytest.raises(ClusterBusy, match="later") as refused:
        make(api_server, PODS, namespace, of(PODS, "a", spec=spec))
    assert "ServiceAccount" in refused.value.hint


def test_too_large_for_the_cluster(api_server: Cluster, namespace: str) -> None:
    """Over the API server's limit, or over etcd's, is Rejected: it will not become smaller."""
    labels = {"labels": {"app": "a"}}
    for size in (2_500_000, 3_500_000):
        spec = {"containers": [{"name": "a", "image": "a", "args": ["y" * size]}]}
        large = of(CONTROLLERS, "a", spec={"template": {"metadata": labels, "spec": spec}})
        with pytest.raises(Rejected) as refused:
            make(api_server, CONTROLLERS, namespace, large)
        assert not refused.value.retriable


def test_without_rights(api_server: Cluster, viewer: Cluster, namespace: str) -> None:
    """Every write is Forbidden, and known to be before."""
    uid = make(api_server, CONFIG_MAPS, namespace, config_map(namespace, "a"))
    body = raw(config_map(namespace, "a"))
    writes: dict[str, Callable[[], object]] = {
        "create": lambda: viewer.create(CONFIG_MAPS, namespace, body),
        "patch": lambda: viewer.apply(CONFIG_MAPS, namespace, "a", body),
        "delete": lambda: viewer.delete(CONFIG_MAPS, namespace, "a", uid=uid),
    }
    for verb, write in writes.items():
        assert not viewer.may(Right(verb, CONFIG_MAPS, namespace))
        with pytest.raises(Forbidden, match=f"cannot {verb}") as refused:
            write()
        assert verb in refused.value.hint
    with pytest.raises(Forbidden):
        viewer.merge(CONFIG_MAPS, namespace, "a", b"{}")


def test_rights_that_one_lacks_cannot_be_granted(control_plane: ControlPlane, api_server: Cluster) -> None:
    """RBAC's own rule is Forbidden, and the hint names escalate and bind."""
    rule = {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["create"]}
    name = f"refusals-{next(_NUMBERS)}"
    make(api_server, CLUSTER_ROLES, "", of(CLUSTER_ROLES, name, rules=[rule]))
    control_plane.kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", "--user=viewer")
    try:
        viewer = KubernetesCluster.connect(str(control_plane.kubeconfig), control_plane.context("viewer"))
        wait_for(lambda: viewer.may(Right("create", CLUSTER_ROLES)), "the right to make roles")
        wider = of(
            CLUSTER_ROLES, f"{name}-wider", rules=[{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
        )
        with pytest.raises(Forbidden, match="attempting to grant") as refused:
            make(viewer, CLUSTER_ROLES, "", wider)
        assert "escalate" in refused.value.hint
        assert not viewer.may(Right("escalate", CLUSTER_ROLES))
    finally:
        control_plane.kubectl("delete", "clusterrolebinding", name)


def test_a_name_that_is_taken_says_what_to_do(api_server: Cluster, namespace: str) -> None:
    """AlreadyExists points at existingResourcePolicy."""
    make(api_server, CONFIG_MAPS, namespace, config_map(namespace, "a"))
    with pytest.raises(AlreadyExists, match='configmaps "a" already exists') as refused:
        make(api_server, CONFIG_MAPS, namespace, config_map(namespace, "a"))
    assert "existingResourcePolicy" in refused.value.hint
