"""Velero's paths are understood, and no others; of the folders of a type the right one is read."""

from __future__ import annotations

import pytest

from runner.archive.velero import Folder, place


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("resources/namespaces/cluster/shop.json", ("namespaces", "", False, "", "shop")),
        ("resources/pods/namespaces/shop/web.json", ("pods", "", False, "shop", "web")),
        ("resources/namespaces/v1-preferredversion/cluster/a.json", ("namespaces", "v1", True, "", "a")),
        ("resources/deployments.apps/v1/namespaces/cluster/a.json", ("deployments.apps", "v1", False, "cluster", "a")),
        ("resources/x.y/cluster/system:node.json.json", ("x.y", "", False, "", "system:node.json")),
    ],
)
def test_paths_that_velero_writes(path: str, expected: tuple[str, str, bool, str, str]) -> None:
    """With and without a version; of the cluster, and of a namespace."""
    found = place(path)
    assert found is not None
    assert (*found.folder, found.namespace, found.name) == expected


def test_what_is_no_item() -> None:
    """Velero's own word about the archive."""
    assert place("metadata/version") is None


@pytest.mark.parametrize(
    "path",
    [
        "resources/pods/web.json",
        "resources/pods/namespaces/shop/web.yaml",
        "resources/pods/namespaces/shop/.json",
        "resources/pods/namespaces//web.json",
        "resources//cluster/web.json",
        "resources/pods//namespaces/shop/web.json",
        "resources/pods/v1/v2/namespaces/shop/web.json",
        "./resources/pods/cluster/web.json",
        "resources/pods/cluster/a\x1b[2J.json",
        "elsewhere/web.json",
        "",
    ],
)
def test_paths_that_velero_does_not_write(path: str) -> None:
    """An error, and no guess."""
    with pytest.raises(ValueError, match="no archive of Velero's"):
        place(path)


def test_the_folder_of_a_type_that_is_read() -> None:
    """That without a version; else the preferred one; else the most stable."""
    folders = [
        Folder("x.y", "v1alpha2", preferred=False),
        Folder("x.y", "v1beta1", preferred=False),
        Folder("x.y", "v1beta10", preferred=False),
        Folder("x.y", "v1", preferred=False),
        Folder("x.y", "v2", preferred=False),
        Folder("x.y", "v1alpha1", preferred=True),
        Folder("x.y", "", preferred=False),
    ]
    assert sorted({*folders}, key=lambda folder: folder.rank) == folders
    assert Folder("x.y", "odd", preferred=False).rank < folders[0].rank
