"""Reads what a store holds of a backup with nothing of the engine's own, and checks every byte of it.

gzip, tarfile, zlib, json and PyYAML alone: what they make of a backup is what people would have without Trysail.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.simulation.objects import SECRET_MARKS, Object
from tests.simulation.world import Key

CONTENT = ("index.jsonl.gz", "k8s-objects.tar.gz", "log.jsonl.gz", "plan.json", "volumes.json")
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Stored:
    """A backup that is whole: its manifest, its plan, and every object by its key."""

    manifest: dict[str, Any]
    plan: dict[str, Any]
    objects: dict[Key, Object]


def intact_manifest(raw: bytes) -> dict[str, Any] | None:
    """The manifest, if its own digest holds."""
    try:
        manifest = json.loads(raw)
    except ValueError:
        return None
    if not isinstance(manifest, dict) or manifest.get("digest") != _digest({**manifest, "digest": ""}):
        return None
    return manifest


def stored_backup(objects: Mapping[str, bytes], prefix: str) -> Stored:
    """The backup under `prefix`, which has an intact manifest; AssertionError where anything else does not hold."""
    keys = {key.removeprefix(prefix): data for key, data in objects.items() if key.startswith(prefix)}
    manifest = intact_manifest(keys.pop(MANIFEST))
    assert manifest is not None
    assert sorted(keys) == sorted(manifest["keys"]) == list(CONTENT), sorted(keys)
    for key, data in keys.items():
        assert manifest["keys"][key] == {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}, key
    plan = json.loads(keys["plan.json"])
    assert plan["digest"] == manifest["planDigest"] == _digest({**plan, "digest": ""})
    lines = [json.loads(line) for line in gzip.decompress(keys["index.jsonl.gz"]).splitlines()]
    found = _objects(keys["k8s-objects.tar.gz"], lines)
    assert manifest["items"] == len(found)
    assert manifest["size"] == sum(line["size"] for line in lines)
    counted = Counter((key.resource, key.namespace) for key in found)
    listed = {(one["resource"], one["namespace"]): one["stored"] for one in manifest["lists"]}
    assert len(listed) == len(manifest["lists"]) == len(plan["steps"])
    assert +Counter(listed) == counted
    steps = {(step["resource"], step["namespace"]): place for place, step in enumerate(plan["steps"])}
    order = [(steps[key.resource, key.namespace], key.name) for key in found]
    assert order == sorted(order), "the archive is not in the plan's order"
    log = gzip.decompress(keys["log.jsonl.gz"])
    assert json.loads(log.splitlines()[-1])["event"] == "finished"
    for name, data in {**keys, "index": json.dumps(lines).encode(), "log": log}.items():
        assert not any(mark in data for mark in SECRET_MARKS if name != "k8s-objects.tar.gz"), name
    return Stored(manifest, plan, found)


def _objects(archive: bytes, lines: list[dict[str, Any]]) -> dict[Key, Object]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        entries = [(entry.path, _content(tar, entry)) for entry in tar]
    assert len({path for path, _ in entries}) == len(entries) == len(lines)
    found: dict[Key, Object] = {}
    for (path, content), line in zip(entries, lines, strict=True):
        assert (line["size"], line["sha256"]) == (len(content), hashlib.sha256(content).hexdigest()), path
        member = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(archive[line["member"] :])
        assert member[line["offset"] : line["offset"] + line["size"]] == content, path
        value = yaml.load(content, Loader=yaml.CSafeLoader)
        key = Key(line["resource"], line.get("namespace", ""), line["name"])
        metadata = value["metadata"]
        assert (metadata["name"], metadata.get("namespace", "")) == (key.name, key.namespace), path
        assert (value["apiVersion"], value["kind"]) == (line["apiVersion"], line["kind"]), path
        assert (metadata["uid"], metadata["resourceVersion"]) == (line["uid"], line["resourceVersion"]), path
        assert (metadata.get("labels") or {}) == line.get("labels", {}), path
        assert path.startswith(f"resources/{key.resource}/"), path
        assert key not in found, path
        found[key] = value
    return found


def _content(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    reader = tar.extractfile(entry)
    assert reader is not None, entry.path
    return reader.read()


def _digest(value: dict[str, Any]) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    return "sha256:" + hashlib.sha256(canonical).hexdigest()
