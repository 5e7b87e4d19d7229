"""A cloud in miniature for `make demo`: an EC2 of moto's on this machine, with a disk for each EBS volume of the shop.

python examples/demo_cloud.py start CLUSTER FOLDER     begins it, and prints where it is
python examples/demo_cloud.py destroy CLUSTER FOLDER   the storage class deletes: volumes of shop-prod, and their disks
python examples/demo_cloud.py stop CLUSTER FOLDER
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
import yaml

REGION = "eu-west-1"
LOST = "shop-prod"


def start(cluster: Path, folder: Path) -> None:
    """Begins the server, makes the disks, and writes their ids into the cluster's PersistentVolumes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    with (folder / "ec2.log").open("wb") as log:
        server = subprocess.Popen(
            [Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"},  # the demo needs none
            start_new_session=True,
        )
    (folder / "ec2.pid").write_text(str(server.pid))
    _wait(port)
    ec2 = _ec2(endpoint)
    for file in _files(cluster):
        text = file.read_text()
        for volume in filter(_is_disk, yaml.safe_load_all(text)):
            size = int(volume["spec"]["capacity"]["storage"].removesuffix("Gi"))
            made = ec2.create_volume(AvailabilityZone=_zone(volume), Size=size, VolumeType="gp3")
            text = text.replace(volume["spec"]["csi"]["volumeHandle"], made["VolumeId"])
        file.write_text(text)
    sys.stdout.write(f"{endpoint}\n")


def destroy(cluster: Path, folder: Path) -> None:
    """Removes the PersistentVolumes of claims in shop-prod, and their disks, as reclaimPolicy Delete would."""
    del folder
    ec2 = _ec2(os.environ["AWS_ENDPOINT_URL_EC2"])
    for file in _files(cluster):
        documents = list(yaml.safe_load_all(file.read_text()))
        lost = [one for one in documents if _is_disk(one) and one["spec"]["claimRef"]["namespace"] == LOST]
        for one in lost:
            ec2.delete_volume(VolumeId=one["spec"]["csi"]["volumeHandle"])
        if lost:
            kept = [one for one in documents if one not in lost]
            file.write_text(yaml.safe_dump_all(kept, sort_keys=False))


def stop(cluster: Path, folder: Path) -> None:
    """Ends the server."""
    del cluster
    os.kill(int((folder / "ec2.pid").read_text()), signal.SIGTERM)


def _is_disk(value: Any) -> bool:
    if not isinstance(value, dict) or value.get("kind") != "PersistentVolume":
        return False
    return bool((value["spec"].get("csi") or {}).get("volumeHandle", "").startswith("vol-"))


def _zone(volume: Any) -> str:
    terms = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    return str(terms[0]["matchExpressions"][0]["values"][0])


def _files(cluster: Path) -> list[Path]:
    return [file for file in sorted(cluster.rglob("*.yaml")) if "kind: PersistentVolume\n" in file.read_text()]


def _ec2(endpoint: str) -> Any:
    return boto3.client("ec2", region_name=REGION, endpoint_url=endpoint)


def _wait(port: int) -> None:
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    sys.exit("moto's server did not start: see ec2.log")


if __name__ == "__main__":
    {"start": start, "destroy": destroy, "stop": stop}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
