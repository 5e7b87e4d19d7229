"""Tests of the rules for Pods."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.actions.restoring import restored, rules_of, stored, why_left

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  automountServiceAccountToken: null
  containers:
  - name: nginx
    image: nginx
    volumeMounts:
    - {mountPath: /data, name: data}
    - {mountPath: /var/run/secrets/kubernetes.io/serviceaccount, name: kube-api-access-8vbbs, readOnly: true}
  initContainers:
  - name: init
    image: busybox
    volumeMounts:
    - {mountPath: /var/run/secrets/kubernetes.io/serviceaccount, name: kube-api-access-8vbbs, readOnly: true}
  ephemeralContainers:
  - {name: debugger, image: busybox}
  nodeName: node-1
  preemptionPolicy: PreemptLowerPriority
  priority: 1000
  priorityClassName: high
  overhead: {cpu: 250m}
  runtimeClassName: kata
  serviceAccountName: web
  tolerations:
  - {effect: NoExecute, key: node.kubernetes.io/not-ready, operator: Exists, tolerationSeconds: 300}
  volumes:
  - {name: data, persistentVolumeClaim: {claimName: data}}
  - name: kube-api-access-8vbbs
    projected:
      defaultMode: 420
      sources:
      - serviceAccountToken: {expirationSeconds: 3607, path: token}
      - configMap: {items: [{key: ca.crt, path: ca.crt}], name: kube-root-ca.crt}
      - downwardAPI: {items: [{fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}, path: namespace}]}
"""


def _legacy(secret: str) -> dict[str, Any]:
    return stored(
        f"""
        metadata: {{name: web, namespace: shop}}
        spec:
          serviceAccountName: web
          containers:
          - name: nginx
            volumeMounts:
            - {{mountPath: /var/run/secrets/kubernetes.io/serviceaccount, name: token, readOnly: true}}
          volumes:
          - name: token
            secret: {{secretName: {secret}}}
        """
    )


def test_a_running_pod_is_restored() -> None:
    """And one that waits; the rest of its spec is as it was."""
    for phase in ("Running", "Pending", "Unknown"):
        spec = restored("pods", stored(POD, phase=phase))["spec"]
        assert spec["tolerations"][0]["tolerationSeconds"] == 300
        assert spec["serviceAccountName"] == "web"


def test_a_mirror_pod_is_left_out() -> None:
    """The kubelet of its node made it from a file."""
    pod = stored(POD, phase="Running")
    pod["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "0f344dc4"}
    assert "static" in why_left("pods", pod)


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_ended_is_left_out(phase: str) -> None:
    """It would run again."""
    assert phase in why_left("pods", stored(POD, phase=phase))


def test_the_node_of_a_pod_is_cleared() -> None:
    """It is scheduled anew."""
    assert "nodeName" not in restored("pods", stored(POD))["spec"]


def test_the_priority_of_a_pod_is_cleared_and_its_class_kept() -> None:
    """Admission refuses a number, and a policy, that the class does not give."""
    spec = restored("pods", stored(POD))["spec"]
    assert spec["priorityClassName"] == "high"
    assert not spec.keys() & {"priority", "preemptionPolicy"}


def test_the_overhead_of_a_pod_is_cleared_and_its_runtime_class_kept() -> None:
    """Admission refuses one that the RuntimeClass does not give."""
    spec = restored("pods", stored(POD))["spec"]
    assert spec["runtimeClassName"] == "kata"
    assert "overhead" not in spec


@pytest.mark.parametrize("others", [{}, {"team": "shop"}])
def test_the_record_of_a_freeze_is_dropped(others: dict[str, str]) -> None:
    """The Pod was stored while it was frozen; the restored one is not, and the next run would thaw it."""
    pod = stored(POD)
    pod["metadata"]["annotations"] = {"trysail.dev/frozen": "{}", **others}
    assert restored("pods", pod)["metadata"].get("annotations", {}) == others


def test_ephemeral_containers_are_dropped() -> None:
    """A Pod cannot be created with them."""
    assert "ephemeralContainers" not in restored("pods", stored(POD))["spec"]


def test_the_injected_token_volume_is_dropped() -> None:
    """With its mounts, in every container: admission injects a new one. What is left empty goes too."""
    spec = restored("pods", stored(POD))["spec"]
    assert [volume["name"] for volume in spec["volumes"]] == ["data"]
    assert [mount["name"] for mount in spec["containers"][0]["volumeMounts"]] == ["data"]
    assert "volumeMounts" not in spec["initContainers"][0]


def test_a_token_volume_of_the_users_own_is_kept() -> None:
    """Where the Pod wants none injected, or mounts it elsewhere."""
    pod = stored(POD)
    pod["spec"]["automountServiceAccountToken"] = False
    assert len(restored("pods", pod)["spec"]["volumes"]) == 2
    pod = stored(POD)
    pod["spec"]["containers"][0]["volumeMounts"][1]["mountPath"] = "/tokens"
    assert len(restored("pods", pod)["spec"]["volumes"]) == 2


def test_a_legacy_token_volume_is_dropped() -> None:
    """Its Secret is not restored."""
    spec = restored("pods", _legacy("web-token-x7k2p"))["spec"]
    assert "volumes" not in spec
    assert "volumeMounts" not in spec["containers"][0]


@pytest.mark.parametrize("secret", ["web-token-admin", "web-token", "other-token-x7k2p", "my-web-token-x7k2p"])
def test_a_secret_that_only_looks_like_a_token_stays_mounted(secret: str) -> None:
    """A generated name has five characters, and no vowels among them."""
    assert len(restored("pods", _legacy(secret))["spec"]["volumes"]) == 1


def test_the_finalizer_of_a_job_is_dropped_from_its_pod() -> None:
    """A Pod is restored without its Job only, and nobody else would let go of it."""
    pod = stored(POD)
    pod["metadata"]["finalizers"] = ["batch.kubernetes.io/job-tracking", "example.com/guard"]
    assert restored("pods", pod)["metadata"]["finalizers"] == ["example.com/guard"]


def test_the_storage_class_of_a_pods_own_claim_is_mapped() -> None:
    """That of a generic ephemeral volume."""
    pod = stored(POD)
    template = {"spec": {"storageClassName": "gp2"}}
    pod["spec"]["volumes"] = [{"name": "tmp", "ephemeral": {"volumeClaimTemplate": template}}]
    volume = restored("pods", pod, rules_of(classes={"gp2": "gp3"}))["spec"]["volumes"][0]
    assert volume["ephemeral"]["volumeClaimTemplate"]["spec"]["storageClassName"] == "gp3"
