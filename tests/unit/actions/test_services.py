"""Tests of the rules for Services, on managedFields as a 1.36 API server writes them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.actions.restoring import restored, rules_of, stored

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIP: 10.96.116.202
  clusterIPs: [10.96.116.202]
  ipFamilies: [IPv4]
  ipFamilyPolicy: SingleStack
  externalTrafficPolicy: Local
  healthCheckNodePort: 31900
  loadBalancerIP: 203.0.113.7
  ports:
  - {name: dns, port: 53, protocol: UDP, targetPort: 53, nodePort: 30053}
  - {name: dns-tcp, port: 53, protocol: TCP, targetPort: 53, nodePort: 32207}
  selector: {app: web}
  type: LoadBalancer
"""
ALLOTTED: dict[str, Any] = {".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}, "f:targetPort": {}}


def _service(*, udp: bool = False, health: bool = False, manager: str = "kubectl-create") -> dict[str, Any]:
    """A Service of whose node ports the UDP one, or the one for health checks, was sent."""
    fields: dict[str, Any] = {
        "f:ports": {
            ".": {},
            'k:{"port":53,"protocol":"TCP"}': ALLOTTED,
            'k:{"port":53,"protocol":"UDP"}': {**ALLOTTED, "f:nodePort": {}} if udp else ALLOTTED,
        },
        "f:selector": {},
        "f:type": {},
    }
    if health:
        fields["f:healthCheckNodePort"] = {}
    item = stored(SERVICE)
    item["metadata"]["managedFields"] = [
        {"manager": manager, "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": fields}},
        {"manager": "x", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
    ]
    return item


def _applied(spec: dict[str, Any]) -> dict[str, Any]:
    item = _service()
    text = json.dumps({"apiVersion": "v1", "kind": "Service", "spec": spec})
    item["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": text}
    return item


def _node_ports(item: dict[str, Any], *, preserve: bool = False) -> list[Any]:
    spec = restored("services", item, rules_of(node_ports=preserve))["spec"]
    return [*(port.get("nodePort") for port in spec["ports"]), spec.get("healthCheckNodePort")]


def test_the_cluster_ip_is_cleared() -> None:
    """It is of the old cluster's range; all else of the spec stays, a load balancer's address too."""
    spec = restored("services", _service())["spec"]
    assert not spec.keys() & {"clusterIP", "clusterIPs"}
    assert spec["loadBalancerIP"] == "203.0.113.7"
    assert spec["ipFamilies"] == ["IPv4"]


def test_a_headless_service_stays_headless() -> None:
    """`None` is no address, but what the user asked for."""
    item = stored("{metadata: {name: db, namespace: shop}, spec: {clusterIP: None, clusterIPs: [None]}}")
    assert restored("services", item)["spec"] == {"clusterIP": "None", "clusterIPs": ["None"]}


def test_an_external_name_is_untouched() -> None:
    """It has neither address nor ports of its own."""
    item = stored("{metadata: {name: db, namespace: shop}, spec: {type: ExternalName, externalName: db.example.com}}")
    assert restored("services", item)["spec"] == item["spec"]


def test_allotted_node_ports_are_dropped() -> None:
    """No manager owns them: the API server allots them after it has noted who sent what."""
    assert _node_ports(_service()) == [None, None, None]


def test_a_node_port_that_somebody_sent_is_kept() -> None:
    """By managedFields: of two ports with one number the one with that protocol, whoever the manager was."""
    assert _node_ports(_service(udp=True)) == [30053, None, None]
    assert _node_ports(_service(udp=True, manager="argocd-controller")) == [30053, None, None]


def test_a_node_port_in_last_applied_is_kept() -> None:
    """Its port's protocol is TCP where it names none."""
    assert _node_ports(_applied({"ports": [{"port": 53, "nodePort": 32207}]})) == [None, 32207, None]
    assert _node_ports(_applied({"ports": [{"port": 53, "protocol": "UDP", "nodePort": 30053}]})) == [30053, None, None]


def test_another_node_port_in_last_applied_keeps_nothing() -> None:
    """What the Service has now is not what was asked for there."""
    assert _node_ports(_applied({"ports": [{"port": 53, "nodePort": 30001}, {"port": 54, "nodePort": 32207}]})) == [
        None,
        None,
        None,
    ]


def test_a_health_check_port_that_somebody_sent_is_kept() -> None:
    """By managedFields, or by last-applied."""
    assert _node_ports(_service(health=True)) == [None, None, 31900]
    assert _node_ports(_applied({"healthCheckNodePort": 31900})) == [None, None, 31900]


def test_all_node_ports_are_kept_where_the_restore_preserves_them() -> None:
    """With preserveNodePorts, whoever set them."""
    assert _node_ports(_service(), preserve=True) == [30053, 32207, 31900]


def test_what_comes_from_no_api_server_was_asked_for() -> None:
    """A manifest that somebody wrote has no uid: its ports are the author's."""
    item = _service()
    del item["metadata"]["uid"]
    assert _node_ports(item) == [30053, 32207, 31900]


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"spec": {"ports": [null, 1, {"port": {}}]}}'])
def test_a_broken_annotation_does_no_harm(text: str) -> None:
    """It may hold anything, and says nothing then."""
    item = _service()
    item["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": text}
    assert _node_ports(item) == [None, None, None]
