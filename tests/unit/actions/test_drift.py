"""What differs between a stored object and a live one, which fields others own, and how both are told."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.actions.drift import differences, drift
from runner.actions.drift_owners import obstacles
from runner.actions.drift_path import Keyed, Member, Path, parse_path, path_text
from runner.actions.quantity import equal_quantities
from runner.model.cluster import ItemId
from runner.model.restore import FieldChange

Json = dict[str, Any]

WEB = ItemId("apps", "deployments", "shop", "web")
SETTINGS = ItemId("", "configmaps", "shop", "settings")
SECRET = ItemId("", "secrets", "shop", "password")
SERVICE = ItemId("", "services", "shop", "web")
WIDGET = ItemId("shop.example.com", "widgets", "shop", "one")


def _deployment(container: Json | None = None, **spec: Any) -> Json:
    pod = {"containers": [{"name": "web", "image": "web:1", **(container or {})}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"replicas": 2, "template": {"spec": pod}, **spec},
    }


def _told(changes: tuple[FieldChange, ...]) -> dict[str, tuple[Any, Any]]:
    """Path to (stored, live)."""
    return {change.path: (change.stored, change.live) for change in changes}


class TestDrift:
    """Whether all that was stored still stands."""

    def test_what_the_cluster_adds_is_kept(self) -> None:
        """Defaults, status, other labels, and further elements of lists by keys are no drift."""
        live = _deployment({"imagePullPolicy": "Always", "env": [{"name": "INJECTED", "value": "1"}]}, paused=True)
        live["spec"]["template"]["spec"]["containers"].append({"name": "sidecar", "image": "mesh:1"})
        live["metadata"] |= {"uid": "u", "resourceVersion": "9", "labels": {"app": "web", "team": "a"}}
        live["status"] = {"replicas": 2}
        assert drift(WEB, _deployment(), live) == ()

    def test_names_the_field_that_differs(self) -> None:
        """Elements of lists are named by their keys, keys that are no words are quoted."""
        stored = _deployment({"image": "web:2", "env": [{"name": "A", "value": "1"}], "ports": [{"containerPort": 80}]})
        stored["metadata"]["annotations"] = {"example.com/owner": "me"}
        live = _deployment({"ports": [{"containerPort": 80, "protocol": "TCP"}]}, replicas=3)
        container = "spec.template.spec.containers[name=web]"
        assert _told(drift(WEB, stored, live)) == {
            'metadata.annotations["example.com/owner"]': ("me", None),
            "spec.replicas": (2, 3),
            f"{container}.image": ("web:2", "web:1"),
            f"{container}.env": ([{"name": "A", "value": "1"}], None),
        }

    def test_an_element_that_is_gone(self) -> None:
        """It is named with its keys, and is there on one side alone."""
        ports = [{"port": 80, "protocol": "TCP"}, {"port": 80, "protocol": "UDP"}]
        changes = drift(SERVICE, {"spec": {"ports": ports}}, {"spec": {"ports": ports[:1]}})
        assert _told(changes) == {"spec.ports[port=80,protocol=UDP]": (ports[1], None)}

    def test_order_counts_in_plain_lists_alone(self) -> None:
        """Arguments have an order; what is kept by keys has none, and a set neither."""
        env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
        stored = _deployment({"args": ["a", "b"], "env": env})
        live = _deployment({"args": ["b", "a"], "env": env[::-1]})
        stored["metadata"]["finalizers"], live["metadata"]["finalizers"] = ["x/1", "x/2"], ["x/3", "x/2", "x/1"]
        assert list(_told(drift(WEB, stored, live))) == [
            "spec.template.spec.containers[name=web].args[0]",
            "spec.template.spec.containers[name=web].args[1]",
        ]

    def test_a_plain_list_of_another_length_differs_whole(self) -> None:
        """Nobody can say which of its elements is new."""
        stored, live = _deployment({"args": ["a"]}), _deployment({"args": ["a", "b"]})
        path = "spec.template.spec.containers[name=web].args"
        assert _told(drift(WEB, stored, live)) == {path: (["a"], ["a", "b"])}

    def test_the_same_key_several_times(self) -> None:
        """Kubernetes takes an environment variable twice: each stored one wants a live one of its own."""
        twice = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
        assert drift(WEB, _deployment({"env": twice}), _deployment({"env": twice})) == ()
        assert len(drift(WEB, _deployment({"env": twice}), _deployment({"env": twice[:1]}))) == 1

    @pytest.mark.parametrize("empty", [{}, [], "", 0, False, None, {"limits": {}}])
    def test_what_is_empty_need_not_be_there(self, empty: object) -> None:
        """The API server leaves it out of its own types."""
        assert drift(WEB, _deployment({"resources": empty}), _deployment()) == ()

    def test_what_is_empty_differs_from_what_is_not(self) -> None:
        """A list that was emptied, and a flag that was set."""
        stored = _deployment({"args": []}, paused=False)
        live = _deployment({"args": ["a"]}, paused=True)
        assert list(_told(drift(WEB, stored, live))) == [
            "spec.paused",
            "spec.template.spec.containers[name=web].args",
        ]

    def test_an_empty_choice_among_several_is_one(self) -> None:
        """`emptyDir: {}` is not what the live volume is any more."""
        stored, live = _deployment(), _deployment()
        stored["spec"]["template"]["spec"]["volumes"] = [{"name": "data", "emptyDir": {}}]
        live["spec"]["template"]["spec"]["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "c"}}]
        assert _told(drift(WEB, stored, live)) == {"spec.template.spec.volumes[name=data].emptyDir": ({}, None)}

    def test_custom_resources_keep_what_is_empty(self) -> None:
        """Nothing drops it there, so where it is gone somebody took it away; but for metadata, and for null."""
        stored = {"metadata": {"labels": {}}, "spec": {"selfSigned": {}, "paused": False, "nothing": None}}
        assert list(_told(drift(WIDGET, stored, {"spec": {}}))) == ["spec.paused", "spec.selfSigned"]

    def test_lists_of_custom_resources_are_told_by_their_owners(self) -> None:
        """Their managedFields say by which keys a list is a map, or that it is a set."""
        fields = {"f:spec": {"f:parts": {'k:{"id":"a"}': {".": {}}}, "f:tags": {'v:"x"': {}}}}
        live = {
            "metadata": {"managedFields": [{"manager": "m", "operation": "Update", "fieldsV1": fields}]},
            "spec": {"parts": [{"id": "b", "size": 1}, {"id": "a", "size": 1}], "tags": ["y", "x"]},
        }
        stored = {"spec": {"parts": [{"id": "a", "size": 2}], "tags": ["x", "z"]}}
        assert _told(drift(WIDGET, stored, live)) == {
            "spec.parts[id=a].size": (2, 1),
            "spec.tags[=z]": ("z", None),
        }

    def test_quantities_are_numbers_where_they_stand(self) -> None:
        """1000m is 1 of a limit, and another text in an environment variable."""
        stored = _deployment({"resources": {"limits": {"cpu": "1000m", "memory": "1Gi"}}, "args": ["1000m"]})
        live = _deployment({"resources": {"limits": {"cpu": "1", "memory": "1024Mi"}}, "args": ["1"]})
        assert list(_told(drift(WEB, stored, live))) == ["spec.template.spec.containers[name=web].args[0]"]

    def test_truth_is_no_number(self) -> None:
        """Python alone takes true for 1."""
        assert _told(drift(WIDGET, {"spec": {"on": True}}, {"spec": {"on": 1}})) == {"spec.on": (True, 1)}

    def test_what_is_of_no_account(self) -> None:
        """The label of the restore, what controllers write anew, and all other metadata."""
        stored: Json = {"metadata": {"labels": {"trysail.dev/backup": "new"}, "generation": 4, "ownerReferences": [1]}}
        stored["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "3"}
        live = {"metadata": {"annotations": {"deployment.kubernetes.io/revision": "1"}}}
        assert drift(WEB, stored, live) == ()

    def test_the_record_of_a_freeze_is_no_difference(self) -> None:
        """A Pod is stored while a run has it frozen, and is looked at later; or the other way round."""
        db, record = ItemId("", "pods", "shop", "db-0"), {"trysail.dev/frozen": "{}"}
        stored: Json = {"metadata": {"name": "db-0", "annotations": record}, "spec": {"hostname": "db-0"}}
        live: Json = {"metadata": {"name": "db-0"}, "spec": {"hostname": "db-0"}}
        assert drift(db, stored, live) == ()
        assert differences(db, live, stored) == differences(db, stored, live) == ()

    def test_secrets_are_told_by_their_digests(self) -> None:
        """Neither what they hold nor the last applied configuration is ever in a change, missing or not."""
        applied = "kubectl.kubernetes.io/last-applied-configuration"
        stored: Json = {"metadata": {"annotations": {applied: "hunter2"}}, "data": {"a": "aHVudGVyMg==", "b": "eA=="}}
        there: Json = {"metadata": {"annotations": {applied: "hunter3"}}, "data": {"a": "aHVudGVyMw==", "b": "eA=="}}
        for live, paths in (({}, ["data.a", "data.b"]), (there, ["data.a"])):
            changes = drift(SECRET, stored, live)
            assert [change.path for change in changes] == [*paths, f'metadata.annotations["{applied}"]']
            assert "hunter" not in repr(changes)
            assert "aHVud" not in repr(changes)
            assert all(change.stored.startswith("sha256:") for change in changes)

    def test_string_data_is_data(self) -> None:
        """A Secret that was written with stringData comes back with data."""
        stored = {"stringData": {"key": "value"}, "data": {"other": "eA=="}}
        assert drift(SECRET, stored, {"data": {"key": "dmFsdWU=", "other": "eA=="}}) == ()
        assert list(_told(drift(SECRET, stored, {"data": {"key": "eA==", "other": "eA=="}}))) == ["data.key"]

    def test_long_values_are_cut_where_they_differ(self) -> None:
        """The part in which they begin to differ is shown, and how long they are."""
        before, after = "x" * 1000 + "old" + "y" * 1000, "x" * 1000 + "new" + "y" * 1000
        (change,) = drift(SETTINGS, {"data": {"file": before}}, {"data": {"file": after}})
        assert "old" in change.stored
        assert "new" in change.live
        assert change.live.endswith("… (2,003 characters)")
        assert len(change.live) < 230

    def test_data_that_is_gone_is_told_by_key(self) -> None:
        """Not as one mapping, which would be cut."""
        changes = drift(SETTINGS, {"data": {"a": "1", "b": "2"}}, {})
        assert _told(changes) == {"data.a": ("1", None), "data.b": ("2", None)}


class TestDifferences:
    """What differs, both ways."""

    def test_both_sides_count(self) -> None:
        """Added, removed and changed fields, and elements of lists."""
        live = _deployment({"env": [{"name": "B"}], "image": "web:2"})
        stored = _deployment({"env": [{"name": "A"}], "workingDir": "/srv"})
        container = "spec.template.spec.containers[name=web]"
        assert _told(differences(WEB, live, stored)) == {
            f"{container}.env[name=A]": ({"name": "A"}, None),
            f"{container}.env[name=B]": (None, {"name": "B"}),
            f"{container}.image": ("web:1", "web:2"),
            f"{container}.workingDir": ("/srv", None),
        }

    def test_what_servers_write_is_nothing(self) -> None:
        """Status, identity, versions, who owns what, and the uids of owners and claims."""
        stored, live = _deployment(), _deployment()
        stored["metadata"] |= {"uid": "1", "resourceVersion": "1", "generation": 1, "creationTimestamp": "2026"}
        stored["metadata"]["ownerReferences"] = [{"kind": "App", "name": "web", "uid": "1"}]
        live["metadata"]["ownerReferences"] = [{"kind": "App", "name": "web", "uid": "2", "controller": True}]
        live["metadata"] |= {"managedFields": [], "selfLink": "/apis"}
        live["status"] = {"replicas": 2}
        assert differences(WEB, live, stored) == ()
        volume = ItemId("", "persistentvolumes", "", "pv")
        claims = [{"spec": {"claimRef": {"name": "data", "uid": uid, "resourceVersion": uid}}} for uid in "12"]
        assert differences(volume, claims[0], claims[1]) == ()

    def test_another_owner_is_another(self) -> None:
        """By kind and name."""
        stored = {"metadata": {"ownerReferences": [{"kind": "App", "name": "a", "uid": "1"}]}}
        assert _told(differences(SETTINGS, {}, stored)) == {"metadata.ownerReferences": (["App/a"], None)}

    def test_another_version_of_the_type_is_told(self) -> None:
        """Its fields may differ for that alone."""
        assert _told(differences(WEB, {"apiVersion": "apps/v2"}, {"apiVersion": "apps/v1"})) == {
            "apiVersion": ("apps/v1", "apps/v2")
        }

    def test_empty_is_as_good_as_absent(self) -> None:
        """On either side."""
        assert differences(WEB, _deployment(paused=False), _deployment(strategy={})) == ()

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "a", "1"]),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            max_leaves=12,
        )
    )
    def test_anything_equals_itself_and_the_sides_mirror(self, value: object) -> None:
        """Whatever an object holds; and a change that one direction sees, the other sees too."""
        one, other = {"spec": {"a": value, "b": 1}}, {"spec": {"a": [value], "b": 2}}
        assert differences(WIDGET, one, one) == drift(WIDGET, one, one) == ()
        there, back = differences(WIDGET, one, other), differences(WIDGET, other, one)
        assert [(c.path, c.live, c.stored) for c in there] == [(c.path, c.stored, c.live) for c in back]


class TestObstacles:
    """Fields of others, as the API server would refuse them; tests/real/test_obstacles.py asks it."""

    FIELDS: ClassVar[Json] = {
        "f:metadata": {"f:annotations": {".": {}, "f:a.b/c": {}}},
        "f:spec": {
            "f:replicas": {},
            "f:template": {
                "f:spec": {
                    "f:containers": {
                        'k:{"name":"web"}': {
                            ".": {},
                            "f:args": {},
                            "f:image": {},
                            "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:hostPort": {}}},
                        }
                    },
                    "f:volumes": {'k:{"name":"tmp"}': {".": {}, "f:emptyDir": {}}},
                }
            },
        },
    }
    CONTAINER = "spec.template.spec.containers[name=web]"

    def _live(self, manager: str = "helm", operation: str = "Update", **entry: str) -> Json:
        live = _deployment({"args": ["a"]})
        owner = {"manager": manager, "operation": operation, "fieldsV1": self.FIELDS, **entry}
        live["metadata"]["managedFields"] = [owner]
        return live

    def _owners(self, live: Json, *paths: str) -> dict[str, str]:
        found = obstacles(WEB, [FieldChange(path, live=1, stored=2) for path in paths], live)
        assert all((change.live, change.stored) == (1, 2) for change in found)
        return {change.path: change.owner for change in found}

    def test_fields_of_others(self) -> None:
        """A field that another owns, or that is part of a list that it owns as a whole; not what nobody owns."""
        paths = [
            "spec.replicas",
            'metadata.annotations["a.b/c"]',
            f"{self.CONTAINER}.image",
            f"{self.CONTAINER}.args[0]",
            f"{self.CONTAINER}.ports[containerPort=80].hostPort",
        ]
        free = [
            "spec.paused",
            'metadata.annotations["a.b/d"]',
            f"{self.CONTAINER}.command",
            "spec.template.spec.containers[name=other]",
            "spec.template.spec.volumes[name=tmp].emptyDir.medium",
        ]
        assert self._owners(self._live(), *paths, *free) == dict.fromkeys(paths, "helm")

    def test_whose_they_are(self) -> None:
        """Ours by Apply is no obstacle; by Update it is, and so is what a subresource wrote."""
        assert self._owners(self._live("trysail", "Apply"), "spec.replicas") == {}
        assert self._owners(self._live("trysail", "Update"), "spec.replicas") == {"spec.replicas": "trysail"}
        assert self._owners(self._live("kubectl", "Update", subresource="scale"), "spec.replicas") == {
            "spec.replicas": "kubectl"
        }

    def test_several_owners(self) -> None:
        """Each is named."""
        live = self._live()
        live["metadata"]["managedFields"].append({**live["metadata"]["managedFields"][0], "manager": "argocd"})
        found = obstacles(WEB, [FieldChange("spec.replicas")], live)
        assert [change.owner for change in found] == ["helm", "argocd"]

    def test_no_managed_fields(self) -> None:
        """Nobody is in the way."""
        assert obstacles(WEB, [FieldChange("spec.replicas")], {"metadata": {}}) == ()
        assert obstacles(WEB, [FieldChange("spec.replicas")], {}) == ()


_TEXTS = st.text(max_size=6) | st.sampled_from(["true", "null", "name=web", "a]b", '"', "80", "[", ".", "x/y", "-1"])
_VALUES = _TEXTS | st.integers() | st.booleans()
_STEPS = (
    _TEXTS
    | st.integers(0, 99)
    | st.builds(Member, _VALUES)
    | st.builds(Keyed, st.lists(st.tuples(st.sampled_from(["name", "containerPort"]), _VALUES), min_size=1).map(tuple))
)


class TestPaths:
    """Paths as text."""

    @given(st.lists(_STEPS, max_size=5).map(tuple))
    def test_every_path_comes_back(self, path: Path) -> None:
        """Whatever keys and values are made of."""
        assert parse_path(path_text(path)) == path

    @pytest.mark.parametrize("text", ["spec.", "a[", "a[name=", "a[b", "a[name=x", "a[1.5]", "a..b", "a[null]"])
    def test_what_is_no_path(self, text: str) -> None:
        """ValueError, and no endless loop."""
        with pytest.raises(ValueError, match="no path"):
            parse_path(text)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("1000m", "1", True),
        ("1Gi", "1024Mi", True),
        ("1e3", 1000, True),
        ("1E", "1e18", True),
        ("0.5", "500m", True),
        ("100n", "0.1u", True),
        ("1k", "1Ki", False),
        ("one", "one", False),
        ("1e999", "1e999", False),
        (True, 1, False),
        ("", "0", False),
    ],
)
def test_quantities(one: object, other: object, equal: bool) -> None:
    """As k8s.io/apimachinery's resource.Quantity has them."""
    assert equal_quantities(one, other) is equal
