"""Documents of Velero's for the tests of `convert`: built by hand, and by chance."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from runner.archive.emitter import emit
from runner.policies.convert import Conversion, Made, convert
from runner.policies.convert_source import VeleroDocument
from runner.policies.parse import parse

Json = dict[str, Any]

# Every field of Velero's BackupSpec (its CRD of schedules, May 2026), saying something; filters on types are below.
FIELDS: Json = {
    "backupType": "Full",
    "csiSnapshotTimeout": "10m0s",
    "datamover": "velero",
    "defaultVolumesToFsBackup": True,
    "defaultVolumesToRestic": True,
    "excludedNamespaces": ["shop-test"],
    "hooks": {"resources": [{"name": "freeze", "pre": [{"exec": {"command": ["sync"]}}]}]},
    "includedNamespaces": ["shop-*"],
    "itemOperationTimeout": "4h0m0s",
    "labelSelector": {"matchLabels": {"app": "web"}},
    "orderedResources": {"pods": "shop/db-0"},
    "resourcePolicy": {"kind": "configmap", "name": "scratch"},
    "snapshotMoveData": True,
    "snapshotVolumes": True,
    "storageLocation": "elsewhere",
    "ttl": "720h0m0s",
    "uploaderConfig": {"parallelFilesUpload": 4},
    "volumeGroupSnapshotLabelKey": "velero.io/volume-group",
    "volumeSnapshotLocations": ["ebs"],
    "notOfThisVersion": {"level": 3},
}
OLDER: Json = {"includedResources": ["pods"], "excludedResources": ["events"], "includeClusterResources": False}
NEWER: Json = {
    "includedClusterScopedResources": ["storageclasses.storage.k8s.io"],
    "excludedClusterScopedResources": ["nodes"],
    "includedNamespaceScopedResources": ["pods"],
    "excludedNamespaceScopedResources": ["events"],
}
CONVERTED = {
    "csiSnapshotTimeout", "excludedNamespaces", "hooks", "includedNamespaces", "itemOperationTimeout", "labelSelector",
    "orLabelSelectors", *OLDER, *NEWER,
}  # fmt: skip


def velero(kind: str, name: str, spec: Json, *, namespace: str = "velero", **metadata: Any) -> Json:
    """A document of Velero's."""
    whole = {"name": name, "namespace": namespace, **metadata}
    return {"apiVersion": "velero.io/v1", "kind": kind, "metadata": whole, "spec": spec}


def schedule(template: Json, name: str = "nightly", **spec: Any) -> Json:
    """A Schedule."""
    return velero("Schedule", name, {"schedule": "0 2 * * *", "template": template, **spec})


def bucket(name: str = "default", **spec: Any) -> Json:
    """A BackupStorageLocation at AWS."""
    storage = {"bucket": "backups", "prefix": "prod"}
    return velero("BackupStorageLocation", name, {"provider": "aws", "objectStorage": storage, **spec})


def config_map(rules: list[Json], name: str = "rules", *, field: str = "volumePolicies") -> Json:
    """A ConfigMap that holds rules, as Velero takes them."""
    text = emit({"version": "v1", field: rules}).decode()
    metadata = {"name": name, "namespace": "velero"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {f"{name}.yaml": text}}


def snapshots(name: str = "default", provider: str = "aws") -> Json:
    """A VolumeSnapshotLocation."""
    return velero("VolumeSnapshotLocation", name, {"provider": provider, "config": {"region": "eu-west-1"}})


def converted(*documents: Json) -> Conversion:
    """What comes of `documents`, as they would be read from a file."""
    text = "".join(f"---\n{emit(document).decode()}" for document in documents)
    parsed = parse(text, "velero.yaml")
    assert parsed.broken is None
    return convert(
        [
            VeleroDocument(
                document.value["kind"],
                document.value["metadata"].get("namespace", ""),
                document.value["metadata"]["name"],
                document,
            )
            for document in parsed.documents
        ]
    )


def policy(*documents: Json) -> Made:
    """The one policy that comes of `documents`, which hold."""
    conversion = converted(*documents)
    assert conversion.findings == ()
    (made,) = (made for made in conversion.made if made.kind == "BackupPolicy")
    return made


# By chance

SUBSETS = st.sets(st.sampled_from(sorted(FIELDS))).flatmap(
    lambda names: st.sampled_from([{}, OLDER, NEWER]).flatmap(
        lambda types: st.sets(st.sampled_from(sorted(types)) if types else st.nothing()).map(
            lambda chosen: {name: FIELDS[name] for name in names} | {name: types[name] for name in chosen}
        )
    )
)


NAMES = st.lists(st.sampled_from(["shop-*", "shop-a", "web", "kube-*", "shop-?", "[sw]*"]), min_size=1, max_size=2)
TYPE_NAMES = ["pods", "persistentvolumeclaims", "deployments.apps", "serviceaccounts", "carts.shop.example.com"]
CLUSTER_TYPES = ["persistentvolumes", "storageclasses.storage.k8s.io", "*.rbac.authorization.k8s.io", "custom*"]


def some(words: list[str], *, all_too: bool = False) -> st.SearchStrategy[list[str]]:
    """A list of some of `words`, or ["*"]."""
    lists = st.lists(st.sampled_from(words), min_size=1, max_size=3)
    return st.one_of(lists, st.just(["*"])) if all_too else lists


FILTERS = st.builds(
    lambda namespaces, types: {**namespaces, **types},
    st.fixed_dictionaries(
        {},
        optional={"includedNamespaces": st.one_of(NAMES, st.just(["*"]), st.just([""])), "excludedNamespaces": NAMES},
    ),
    st.one_of(
        st.fixed_dictionaries(
            {},
            optional={
                "includedResources": some(TYPE_NAMES + CLUSTER_TYPES, all_too=True),
                "excludedResources": some(TYPE_NAMES + CLUSTER_TYPES),
                "includeClusterResources": st.booleans(),
            },
        ),
        st.fixed_dictionaries(
            {},
            optional={
                "includedClusterScopedResources": some(CLUSTER_TYPES, all_too=True),
                "excludedClusterScopedResources": some(
                    [*CLUSTER_TYPES, "volumesnapshotcontents.snapshot.storage.k8s.io"]
                ),
                "includedNamespaceScopedResources": some(TYPE_NAMES, all_too=True),
                "excludedNamespaceScopedResources": some([*TYPE_NAMES, "volumesnapshots.snapshot.storage.k8s.io"]),
            },
        ),
    ),
)


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
DNS_NAMES = st.lists(LABEL, min_size=1, max_size=4).map(".".join)
LOCATION_SPECS = st.one_of(
    st.fixed_dictionaries(
        {
            "provider": st.sampled_from(["aws", "velero.io/aws"]),
            "objectStorage": st.fixed_dictionaries(
                {"bucket": st.from_regex(r"[a-z][-a-z0-9]{2,20}", fullmatch=True)},
                optional={"prefix": st.sampled_from(["", "prod", "/a/b/"]), "caCert": st.just("bWFkZSB1cA==")},
            ),
        },
        optional={
            "config": st.fixed_dictionaries(
                {},
                optional={
                    "region": st.sampled_from(["", "eu-west-1"]),
                    "s3Url": st.just("https://minio.example.com:9000"),
                    "s3ForcePathStyle": st.sampled_from(["true", "false", "1", True]),
                    "kmsKeyId": st.sampled_from(["", "alias/backups"]),
                    "serverSideEncryption": st.sampled_from(["", "AES256", "aws:kms", "aws:kms:dsse"]),
                    "profile": st.sampled_from(["default", "backup"]),
                    "publicUrl": WORDS,
                    "notOfThisVersion": WORDS,
                },
            ),
            "credential": st.fixed_dictionaries({"name": WORDS, "key": WORDS}),
            "accessMode": st.sampled_from(["ReadOnly", "ReadWrite"]),
            "default": st.booleans(),
        },
    ),
    st.fixed_dictionaries(
        {
            "provider": st.just("azure"),
            "objectStorage": st.just({"bucket": "velero", "prefix": "aks"}),
            "config": st.fixed_dictionaries(
                {"storageAccount": st.just("acme")},
                optional={
                    "storageAccountURI": st.sampled_from(["acme.blob.core.windows.net", "https://a.example.com/"]),
                    "useAAD": st.sampled_from(["true", "false"]),
                    "storageAccountKeyEnvVar": WORDS,
                },
            ),
        }
    ),
    st.just({"provider": "gcp", "objectStorage": {"bucket": "acme-backups"}}),
)


CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "capacity": st.sampled_from(["0,10Gi", "5Gi, 20Gi", "10Gi,", ",", "0,0", " ,10Gi"]),
        "storageClass": st.sampled_from([["gp3"], ["gp2", "gp3"], []]),
        "csi": st.sampled_from([None, {}, {"driver": "a"}, {"driver": "a", "volumeAttributes": {"tier": "x"}}]),
        "nfs": st.sampled_from([None, {}, {"server": "one"}, {"server": "one", "path": "/data"}]),
        "volumeTypes": st.sampled_from([[], ["nfs"], ["csi", "nfs"], ["emptyDir", "configMap"], ["secret"]]),
        "pvcLabels": st.sampled_from([{}, {"tier": "gold"}]),
        "pvcPhase": st.sampled_from([[], ["Bound"], ["Pending", "Lost"]]),
    },
)
RULES = st.lists(
    st.fixed_dictionaries(
        {
            "conditions": CONDITIONS,
            "action": st.sampled_from(
                [
                    {"type": "skip"},
                    {"type": "snapshot"},
                    {"type": "fs-backup"},
                    {"type": "custom", "parameters": {"a": 1}},
                ]
            ),
        }
    ),
    max_size=5,
)
EXECS = st.lists(
    st.fixed_dictionaries(
        {
            "exec": st.fixed_dictionaries(
                {"command": st.just(["sync"])},
                optional={
                    "container": st.sampled_from(["", "db"]),
                    "onError": st.sampled_from(["Fail", "Continue", ""]),
                    "timeout": st.sampled_from(["0s", "30s", "1m0.5s", "1.5h"]),
                },
            )
        }
    ),
    max_size=2,
)
HOOKS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["freeze", "flush"])},
        optional={
            "pre": EXECS,
            "post": EXECS,
            "includedNamespaces": st.sampled_from([None, [], ["shop-*"]]),
            "includedResources": st.sampled_from([["pods"], ["*"], ["secrets"]]),
            "excludedResources": st.sampled_from([[], ["pods"], ["secrets"]]),
            "labelSelector": st.sampled_from([None, {}, {"matchLabels": {"app": "db"}}]),
        },
    ),
    max_size=3,
)


@st.composite
def installations(draw: st.DrawFn) -> list[Json]:
    """Locations, Schedules and Backups as one Velero has them, in any order, with what is hostile in free text."""
    locations = draw(st.dictionaries(DNS_NAMES, LOCATION_SPECS, max_size=3))
    named = st.sampled_from([*sorted(locations), "", "not-there"])
    specs = st.builds(
        lambda filters, more: {**filters, **more},
        FILTERS,
        st.fixed_dictionaries(
            {"storageLocation": named},
            optional={
                "ttl": WORDS,
                "metadata": st.just({"labels": {"tier": "gold"}}),
                "snapshotVolumes": st.booleans(),
                "defaultVolumesToFsBackup": st.booleans(),
                "volumeSnapshotLocations": st.sampled_from([["ebs"], ["gone"], ["azure", "ebs"]]),
                "resourcePolicy": st.sampled_from([{"kind": "configmap", "name": name} for name in ("rules", "gone")]),
                "hooks": st.builds(lambda hooks: {"resources": hooks}, HOOKS),
                "csiSnapshotTimeout": st.sampled_from(["0s", "10m0s"]),
            },
        ),
    )
    documents = [velero("BackupStorageLocation", name, spec) for name, spec in locations.items()]
    documents += draw(st.sampled_from([[], [snapshots("ebs")], [snapshots("ebs"), snapshots("azure", "azure")]]))
    documents += draw(st.sampled_from([[], [config_map(draw(RULES))]]))
    for name, spec in draw(st.dictionaries(DNS_NAMES, specs, max_size=3)).items():
        documents.append(velero("Schedule", name, {"schedule": draw(WORDS), "template": spec}))
    for name, spec in draw(st.dictionaries(DNS_NAMES, specs, max_size=3)).items():
        documents.append(velero("Backup", name, spec, labels={"team": "shop", "velero.io/storage-location": "x"}))
    return draw(st.permutations(documents))
