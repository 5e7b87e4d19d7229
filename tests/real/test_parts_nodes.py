"""Nodes and the second cluster: pods run as on real nodes, and two clusters have nothing in common."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.parts.controlplane import ControlPlane
from tests.parts.nodes import COMPLETES, Nodes
from tests.real.waiting import wait_for

pytestmark = pytest.mark.real

Json = dict[str, Any]


class TestNodes:
    """Pods get a node, run, and go away."""

    def test_a_deployments_pods_are_ready_behind_their_service(
        self, control_plane: ControlPlane, nodes: Nodes, namespace: str
    ) -> None:
        """Every pod has a node and an address of its own, and the Service's EndpointSlice has them as ready."""
        _deploy(control_plane, namespace)

        pods = _items(control_plane, namespace, "pods")
        slices = wait_for(lambda: _ready_addresses(control_plane, namespace, 3), "three ready addresses")

        assert {pod["spec"]["nodeName"] for pod in pods} <= set(nodes.names)
        assert slices == {pod["status"]["podIP"] for pod in pods}
        assert len(slices) == 3
        for pod in pods:
            assert [status["name"] for status in pod["status"]["containerStatuses"]] == ["main", "side"]
            assert [status["name"] for status in pod["status"]["initContainerStatuses"]] == ["first"]

    def test_pods_go_with_their_deployment(self, control_plane: ControlPlane, nodes: Nodes, namespace: str) -> None:
        """When the Deployment is deleted, the garbage collector takes its ReplicaSet and its running pods."""
        _deploy(control_plane, namespace)

        control_plane.kubectl("delete", "deployment", "web", "-n", namespace)

        wait_for(lambda: not _items(control_plane, namespace, "pods"), "the pods to go away")
        assert not _items(control_plane, namespace, "replicasets.apps")

    def test_a_namespace_with_running_pods_goes_away(
        self, control_plane: ControlPlane, nodes: Nodes, namespace: str
    ) -> None:
        """A deleted namespace does not wait for pods that no kubelet ends."""
        _deploy(control_plane, namespace)

        control_plane.kubectl("delete", "namespace", namespace, "--timeout=60s")

        assert control_plane.request("GET", f"/api/v1/namespaces/{namespace}")[0] == 404

    def test_a_daemon_runs_on_every_node(self, control_plane: ControlPlane, nodes: Nodes, namespace: str) -> None:
        """The scheduler puts one pod of a DaemonSet on each node."""
        agent = {"selector": {"matchLabels": {"app": "agent"}}, "template": _template("agent")}
        control_plane.must("POST", _apps(namespace, "daemonsets"), _named("agent", spec=agent))

        control_plane.kubectl("rollout", "status", "daemonset/agent", "-n", namespace, "--timeout=60s")

        pods = _items(control_plane, namespace, "pods")
        assert sorted(pod["spec"]["nodeName"] for pod in pods) == sorted(nodes.names)

    def test_a_job_completes_if_its_pods_say_so(
        self, control_plane: ControlPlane, nodes: Nodes, namespace: str
    ) -> None:
        """A Job whose pods have the annotation ends Complete; another one's pods run on."""
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        for name, notes in (("ends", COMPLETES), ("stays", {})):
            template = _template(name, notes)
            template["spec"]["restartPolicy"] = "Never"
            control_plane.must("POST", path, _named(name, spec={"template": template}))

        control_plane.kubectl("wait", "--for=condition=Complete", "job/ends", "-n", namespace, "--timeout=60s")
        control_plane.kubectl("wait", "--for=jsonpath={.status.ready}=1", "job/stays", "-n", namespace, "--timeout=60s")

        assert "completionTime" not in control_plane.must("GET", f"{path}/stays")["status"]

    def test_exec_runs_a_command(self, control_plane: ControlPlane, nodes: Nodes, namespace: str) -> None:
        """A command given to exec runs in the nodes' folder, what it prints comes back, and its failure is told."""
        _deploy(control_plane, namespace)
        shell = ("exec", "-n", namespace, "deployment/web", "-c", "main", "--", "sh", "-c")

        wrote = control_plane.kubectl(*shell, f"echo frozen > {namespace}.txt && echo written && echo oops >&2")
        failed = control_plane.kubectl(*shell, "exit 7", check=False)

        assert (wrote.stdout, wrote.stderr) == (b"written\n", b"oops\n")
        assert (nodes.work_dir / f"{namespace}.txt").read_text() == "frozen\n"
        assert failed.returncode == 1
        assert b"exit status 7" in failed.stderr

    def test_pods_run_again_after_a_crash_of_the_api_server(
        self, control_plane: ControlPlane, nodes: Nodes, namespace: str
    ) -> None:
        """Nodes and scheduler find the API server again when it comes back."""
        control_plane.stop_apiserver()
        control_plane.start_apiserver()

        _deploy(control_plane, namespace)

    def test_nothing_is_left_after_exit(self, tmp_path: Path) -> None:
        """No process and no Node is left."""
        with ControlPlane(tmp_path / "plane") as plane:
            with Nodes(plane, tmp_path / "nodes", names=("lonely",)) as running:
                pids = running.pids()
                assert len(_items(plane, None, "nodes")) == 1

            assert not _items(plane, None, "nodes")
            for pid in pids:
                with pytest.raises(ProcessLookupError):
                    os.kill(pid, 0)


class TestSecondCluster:
    """A second, fresh API server."""

    def test_it_is_another_cluster(self, control_plane: ControlPlane, second_control_plane: ControlPlane) -> None:
        """Its CA, its UID and its range of services are its own, and so is the name of its context."""
        first, second = control_plane, second_control_plane

        assert first.ca_file.read_bytes() != second.ca_file.read_bytes()
        assert _uid(first) != _uid(second)
        assert _service_address(first).startswith("10.96.")
        assert _service_address(second).startswith("10.112.")
        assert first.context("admin") != second.context("admin")

    def test_it_knows_nothing_of_the_first(
        self, control_plane: ControlPlane, second_control_plane: ControlPlane, namespace: str
    ) -> None:
        """What is in the first is not in the second, and the first one's token is worth nothing there."""
        assert second_control_plane.request("GET", f"/api/v1/namespaces/{namespace}")[0] == 404

        with_its_token = ("get", "namespaces", "--token", control_plane.token)
        refused = second_control_plane.kubectl(*with_its_token, check=False)

        assert b"Unauthorized" in refused.stderr

    def test_its_pods_run_too(self, second_control_plane: ControlPlane, second_nodes: Nodes) -> None:
        """It has nodes of its own, side by side with the first one's."""
        namespace = f"test-{secrets.token_hex(4)}"
        second_control_plane.kubectl("create", "namespace", namespace)

        _deploy(second_control_plane, namespace)

        pods = _items(second_control_plane, namespace, "pods")
        assert {pod["spec"]["nodeName"] for pod in pods} <= set(second_nodes.names)
        second_control_plane.kubectl("delete", "namespace", namespace, "--wait=false")


def _deploy(plane: ControlPlane, namespace: str) -> None:
    """Make a Deployment of three pods with a Service, and wait until they are ready."""
    selector = {"app": "web"}
    spec = {"replicas": 3, "selector": {"matchLabels": selector}, "template": _template("web")}
    plane.must("POST", _apps(namespace, "deployments"), _named("web", spec=spec))
    service = {"selector": selector, "ports": [{"port": 80}]}
    plane.must("POST", f"/api/v1/namespaces/{namespace}/services", _named("web", spec=service))
    plane.kubectl("rollout", "status", "deployment/web", "-n", namespace, "--timeout=60s")


def _template(app: str, annotations: dict[str, str] | None = None) -> Json:
    containers = [{"name": name, "image": "registry.example.com/web:1"} for name in ("main", "side")]
    spec = {"containers": containers, "initContainers": [{"name": "first", "image": "registry.example.com/web:1"}]}
    return {"metadata": {"labels": {"app": app}, "annotations": annotations or {}}, "spec": spec}


def _named(name: str, **fields: Any) -> Json:
    return {"metadata": {"name": name}, **fields}


def _apps(namespace: str, plural: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/{plural}"


def _items(plane: ControlPlane, namespace: str | None, resource: str) -> list[Json]:
    scope = ["-n", namespace] if namespace else []
    found: list[Json] = json.loads(plane.kubectl("get", resource, *scope, "-o", "json").stdout)["items"]
    return found


def _ready_addresses(plane: ControlPlane, namespace: str, number: int) -> set[str]:
    """The addresses that the Service's slices have as ready, once there are so many."""
    slices = _items(plane, namespace, "endpointslices.discovery.k8s.io")
    endpoints = [endpoint for one in slices for endpoint in one.get("endpoints") or []]
    addresses = {endpoint["addresses"][0] for endpoint in endpoints if endpoint["conditions"]["ready"]}
    return addresses if len(addresses) == number else set()


def _uid(plane: ControlPlane) -> str:
    return str(plane.must("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"])


def _service_address(plane: ControlPlane) -> str:
    return str(plane.must("GET", "/api/v1/namespaces/default/services/kubernetes")["spec"]["clusterIP"])
