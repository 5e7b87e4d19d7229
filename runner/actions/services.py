"""Services: free of addresses and ports that the cluster had allotted, true to those that the user had asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from runner.actions.fields import drop, part, parts, text
from runner.actions.restored import Case

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class _Port(NamedTuple):
    """What names a port within a Service: the API server's own key for its list of ports."""

    port: Any
    protocol: str


def service(case: Case) -> None:
    """A Service that takes a new address of the cluster's own range; a headless or external one stays as it is.

    A node port is kept where the user set it, or the restore preserves them all; else a new one is allotted.
    """
    spec = part(case.body, "spec")
    if spec.get("type") == "ExternalName":
        return
    if spec.get("clusterIP") != "None":
        drop(spec, "clusterIP", "clusterIPs")
    # An object without a uid comes from no API server: what it says, its author said.
    if case.rules.preserve_node_ports or not text(case.stored, "metadata", "uid"):
        return
    asked = _Asked(case.stored)
    for port in parts(spec, "ports"):
        if not asked.node_port(port):
            drop(port, "nodePort")
    if not asked.health_check_port(spec.get("healthCheckNodePort")):
        drop(spec, "healthCheckNodePort")


class _Asked:
    """What of a Service was sent by somebody.

    kubectl's last-applied annotation says so, and so does managedFields: a port that the API server allots is
    allotted after it has noted whose each field is, and so belongs to no manager.
    """

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self._applied = part(_json(text(stored, "metadata", "annotations", LAST_APPLIED)), "spec")
        self._owned = [part(entry, "fieldsV1", "f:spec") for entry in parts(stored, "metadata", "managedFields")]

    def node_port(self, port: Mapping[str, Any]) -> bool:
        key = _key(port)
        return any(_key(named) == key for named in self._applied_with(port.get("nodePort"))) or any(
            key in _with_node_port(owned) for owned in self._owned
        )

    def health_check_port(self, number: Any) -> bool:
        return self._applied.get("healthCheckNodePort") == number or any(
            "f:healthCheckNodePort" in owned for owned in self._owned
        )

    def _applied_with(self, number: Any) -> Iterator[Mapping[str, Any]]:
        return (port for port in parts(self._applied, "ports") if number and port.get("nodePort") == number)


def _with_node_port(owned: Mapping[str, Any]) -> Iterator[_Port]:
    """The ports of a Service whose nodePort a manager owns: `f:ports: {'k:{"port":80,"protocol":"TCP"}': {…}}`."""
    for key, fields in part(owned, "f:ports").items():
        if key.startswith("k:") and isinstance(fields, dict) and "f:nodePort" in fields:
            yield _key(part(_json(key.removeprefix("k:"))))


def _key(port: Mapping[str, Any]) -> _Port:
    return _Port(port.get("port"), text(port, "protocol") or "TCP")


def _json(raw: str) -> Any:
    try:
        return _ANY.decode(raw) if raw else None
    except ValueError:
        return None  # an annotation may hold anything


_ANY = msgspec.json.Decoder()
