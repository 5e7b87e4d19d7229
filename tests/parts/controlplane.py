"""A real Kubernetes API server with etcd and the controller manager, on loopback.

It has no nodes and no scheduler: pods are made and stay Pending, unless `nodes.py` adds both. Everything it
keeps is in the folder it is given, every port is its own, so any number may run side by side. Flags are the
upstream defaults but for what makes it small and quick; request limits (400 reads, 200 writes in flight) are
the defaults.
"""

import base64
import csv
import json
import secrets
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import urllib3
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.controlplane.build import controlplane_program
from tests.parts.kubectl import run_kubectl
from tests.parts.ports import free_port
from tests.parts.process import ServerProcess

Json = dict[str, Any]

CLUSTER: Final = "trysail-test"
"""What kubeconfigs call the cluster, unless it is given a name of its own."""
USERS: Final = {"admin": ["system:masters"], "viewer": [], "nobody": []}
"""Users and their groups. Only admin may do anything; tests give roles to viewer, nobody stays without."""

_BOOT_SECONDS: Final = 90
# 100,000 objects and their history come near the default of 2 GiB, where etcd turns read-only.
_ETCD_QUOTA_BYTES: Final = 4 * 1024**3
# Kubernetes refuses loopback here, and would else look for a network; this address is nobody's (RFC 5737).
_ADVERTISED: Final = "192.0.2.1"


class ControlPlane:
    """`with ControlPlane(folder) as cluster: cluster.kubectl("get", "namespaces")`.

    Ready means: /readyz is ok, the namespaces default and kube-system are there, and so is the default
    ServiceAccount of the former, without which no pod can be made.
    """

    def __init__(self, work_dir: Path, *, name: str = CLUSTER, service_cidr: str = "10.96.0.0/16") -> None:
        self.name = name
        self._dir = work_dir
        self._service_cidr = service_cidr
        self._port = free_port()
        self._etcd_port = free_port()
        self._etcd_peer_port = free_port()
        self._processes: dict[str, ServerProcess] = {}
        # Found now: a test that starts a server again may have changed HOME, where the built program is kept.
        self._program = controlplane_program()
        self.tokens = {user: secrets.token_hex(16) for user in USERS}
        self.token = self.tokens["admin"]
        self.server = f"https://127.0.0.1:{self._port}"
        self.ca_file = work_dir / "certificates" / "apiserver.crt"
        self.kubeconfig = work_dir / "kubeconfig.yaml"
        self._client = urllib3.PoolManager(ca_certs=str(self.ca_file), retries=False, maxsize=8)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Boot, and return when ready; nothing is left running when that fails."""
        self._dir.mkdir(parents=True, exist_ok=True)
        self._write_service_account_key()
        self._write_tokens()
        self._write_kubeconfig()
        try:
            self._start_etcd()
            self.start_apiserver()
            self._start_controller_manager()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End everything, clients before servers: the API server would wait for its watchers. The files stay."""
        self._client.clear()
        for name in ("kube-controller-manager", "kube-apiserver", "etcd"):
            if name in self._processes:
                self._processes.pop(name).stop()

    def start_apiserver(self) -> None:
        """Start the API server, on the same port as before, and return when it is ready."""
        apiserver = self._run(
            "kube-apiserver",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--advertise-address={_ADVERTISED}",
            f"--cert-dir={self.ca_file.parent}",
            f"--etcd-servers={self._etcd_url}",
            f"--token-auth-file={self._token_file}",
            "--authorization-mode=RBAC",
            "--allow-privileged=true",
            f"--service-cluster-ip-range={self._service_cidr}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self._service_account_key}",
            f"--service-account-signing-key-file={self._service_account_key}",
        )
        apiserver.wait_until(
            lambda: self._found("/readyz", "/api/v1/namespaces/default", "/api/v1/namespaces/kube-system"),
            seconds=_BOOT_SECONDS,
        )

    def stop_apiserver(self) -> None:
        """Kill the API server as a crash would: open connections drop, new ones are refused. etcd goes on."""
        self._processes.pop("kube-apiserver").kill()

    def stop_controller_manager(self) -> None:
        """From now on nothing is made, bound or collected but what a client does."""
        self._processes.pop("kube-controller-manager").stop()

    def expire_continue_tokens(self) -> None:
        """Make every continue token given until now answer 410, at the price of an API server's restart.

        Compacting etcd does it for lists that etcd serves; since 1.34 the API server goes on from snapshots
        in its own memory, which it forgets only up to 15 s after it noticed the compaction.
        """
        self.stop_apiserver()
        with urllib3.PoolManager(retries=False) as pool:
            # Tokens of the last revision survive its compaction, so there must be a later one.
            key = {"key": base64.b64encode(b"/trysail-test/later").decode()}
            later = pool.request("POST", f"{self._etcd_url}/v3/kv/put", json=key).json()["header"]["revision"]
            pool.request("POST", f"{self._etcd_url}/v3/kv/compaction", json={"revision": later})
        self.start_apiserver()

    def kubectl(
        self, *arguments: str, stdin: bytes | None = None, context: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the real kubectl against this cluster, as admin unless another `context` is named."""
        chosen = [] if context is None else ["--context", context]
        return run_kubectl(*chosen, *arguments, kubeconfig=self.kubeconfig, stdin=stdin, check=check)

    def request(
        self, method: str, path: str, body: object = None, *, content_type: str = "application/json"
    ) -> tuple[int, Json]:
        """One request as admin, and what it was answered: the status, and the object (not all 404s are objects)."""
        sent = json.dumps(body).encode() if body is not None else None
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type}
        response = self._client.request(method, self.server + path, body=sent, headers=headers)
        if not response.headers.get("Content-Type", "").startswith("application/json"):
            return response.status, {"message": response.data.decode()}
        answer: Json = response.json()
        return response.status, answer

    def must(self, method: str, path: str, body: object = None) -> Json:
        """The object that the API server answers a request of the admin with; a PATCH is a merge patch."""
        patch = "application/merge-patch+json" if method == "PATCH" else "application/json"
        status, answer = self.request(method, path, body, content_type=patch)
        assert 200 <= status < 300, f"{method} {path}: {status} {answer.get('message')}"
        return answer

    def context(self, user: str) -> str:
        """The name of the kubeconfig context for one of `USERS`."""
        return f"{user}@{self.name}"

    def pids(self) -> dict[str, int]:
        """Process ids by the server's name, for measurements."""
        return {name: process.pid for name, process in self._processes.items()}

    def _start_etcd(self) -> None:
        peer_url = f"http://127.0.0.1:{self._etcd_peer_port}"
        etcd = self._run(
            "etcd",
            "--name=default",
            f"--data-dir={self._dir / 'etcd'}",
            f"--listen-client-urls={self._etcd_url}",
            f"--advertise-client-urls={self._etcd_url}",
            f"--listen-peer-urls={peer_url}",
            f"--initial-advertise-peer-urls={peer_url}",
            f"--initial-cluster=default={peer_url}",
            f"--quota-backend-bytes={_ETCD_QUOTA_BYTES}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        )
        etcd.wait_until(self._etcd_healthy, seconds=_BOOT_SECONDS)

    def _start_controller_manager(self) -> None:
        controllers = self._run(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            "--secure-port=0",
            "--leader-elect=false",
            "--controllers=*,-nodelifecycle,-nodeipam",  # no node is ever lost, and none needs a range of its own
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={self._service_account_key}",
            f"--root-ca-file={self.ca_file}",
            "--kube-api-qps=1000",  # at the default of 20, a hundred Deployments take minutes
            "--kube-api-burst=1000",
        )
        controllers.wait_until(
            lambda: self._found("/api/v1/namespaces/default/serviceaccounts/default"), seconds=_BOOT_SECONDS
        )

    def _run(self, name: str, *flags: str) -> ServerProcess:
        log = self._dir / f"{name}.log"
        self._processes[name] = ServerProcess([self._program, name, *flags], log=log)
        return self._processes[name]

    def _found(self, *paths: str) -> bool:
        if not self.ca_file.exists():
            return False
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            with urllib3.PoolManager(ca_certs=str(self.ca_file), headers=headers, retries=False) as pool:
                return all(pool.request("GET", self.server + path).status == 200 for path in paths)
        except urllib3.exceptions.HTTPError:
            return False

    def _etcd_healthy(self) -> bool:
        try:
            with urllib3.PoolManager(retries=False) as pool:
                return pool.request("GET", f"{self._etcd_url}/health").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    @property
    def _etcd_url(self) -> str:
        return f"http://127.0.0.1:{self._etcd_port}"

    @property
    def _token_file(self) -> Path:
        return self._dir / "tokens.csv"

    @property
    def _service_account_key(self) -> Path:
        return self._dir / "service-account.key"

    def _write_service_account_key(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,  # the API server takes no PKCS #8 here
            serialization.NoEncryption(),
        )
        self._service_account_key.write_bytes(pem)

    def _write_tokens(self) -> None:
        with self._token_file.open("w", newline="") as file:
            rows = csv.writer(file)
            for user, groups in USERS.items():
                rows.writerow([self.tokens[user], user, user, *([",".join(groups)] if groups else [])])

    def _write_kubeconfig(self) -> None:
        cluster = {"server": self.server, "certificate-authority": str(self.ca_file)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": self.context("admin"),
            "clusters": [{"name": self.name, "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token}} for user, token in self.tokens.items()],
            "contexts": [
                {"name": self.context(user), "context": {"cluster": self.name, "user": user}} for user in USERS
            ],
        }
        self.kubeconfig.write_text(yaml.safe_dump(config, sort_keys=False))
