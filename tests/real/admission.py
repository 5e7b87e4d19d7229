"""What of a cluster says no: a ValidatingAdmissionPolicy, and a webhook that runs and denies what it is told to."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final, Self

from tests.parts.controlplane import ControlPlane
from tests.real.restores import make
from tests.real.waiting import wait_for
from tests.unit.adapters.scripted_server import make_certificate

Json = dict[str, Any]

ADMISSION: Final = "admissionregistration.k8s.io/v1"


class Webhook:
    """`with Webhook(folder, lambda item: "no" if … else "")`; `client` is the clientConfig that leads to it."""

    def __init__(self, folder: Path, denies: Callable[[Json], str]) -> None:
        certificate = make_certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(denies))
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.client: Json = {
            "url": f"https://127.0.0.1:{self._server.server_port}/",
            "caBundle": base64.b64encode(certificate.read_bytes()).decode(),
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def denying(plane: ControlPlane, namespace: str, name: str) -> Iterator[None]:
    """A ValidatingAdmissionPolicy that denies a ConfigMap, known to the API server by then."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    validation = {"expression": f"object.metadata.name != '{name}'", "message": f"no {name}s here"}
    policy = {
        "apiVersion": ADMISSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": namespace},
        "spec": {"matchConstraints": {"resourceRules": [rule]}, "validations": [validation]},
    }
    selector = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    binding = {
        "apiVersion": ADMISSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": namespace},
        "spec": {"policyName": namespace, "validationActions": ["Deny"], "matchResources": selector},
    }
    with _made(plane, namespace, [policy, binding], name, f"no {name}s here"):
        yield


@contextmanager
def calling(plane: ControlPlane, namespace: str, webhook: Webhook, name: str, words: str) -> Iterator[None]:
    """The API server asks the webhook about every ConfigMap of the namespace; it denies the one called `name`."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    hook = {
        "name": f"{namespace}.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": webhook.client,
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
    }
    configuration = {
        "apiVersion": ADMISSION,
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": namespace},
        "webhooks": [hook],
    }
    with _made(plane, namespace, [configuration], name, words):
        yield


@contextmanager
def _made(plane: ControlPlane, namespace: str, items: list[Json], name: str, words: str) -> Iterator[None]:
    """Until the block ends; it begins when the API server says `words` to a ConfigMap called `name`."""
    make(plane, items)
    path = f"/api/v1/namespaces/{namespace}/configmaps?dryRun=All"
    refused = {"metadata": {"name": name}}
    wait_for(lambda: words in str(plane.request("POST", path, refused)[1].get("message")), words)
    try:
        yield
    finally:
        listed = {"apiVersion": "v1", "kind": "List", "items": items}
        plane.kubectl("delete", "-f", "-", stdin=json.dumps(listed).encode())


def _handler(denies: Callable[[Json], str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked = review["request"]
            why = denies(asked["object"])
            response = {"uid": asked["uid"], "allowed": not why, "status": {"message": why}}
            answer = json.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    return Handler
