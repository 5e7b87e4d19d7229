"""Archives and indexes are read forward in bounded memory, and hostile ones are caught."""

from __future__ import annotations

import gzip
import tarfile
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.archive.layout import item_path
from runner.archive.stream import TarEntry, Unpacked, entries, index_lines
from runner.archive.tar import BLOCK, END, header, padding
from runner.errors import BackupDamaged
from tests.fakes.stored_backup import config_map, packed, small_shop

ARCHIVE, INDEX = packed(small_shop(), member_bytes=600)


def _entries(archive: bytes, *, keep: bool = False, limit: int | None = None) -> list[TarEntry]:
    return list(entries(Unpacked([archive], limit=limit), keep=keep))


_BARE = {tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE}


def _tar(*members: tarfile.TarInfo, content: bytes = b"") -> bytes:
    """An archive of other people's making; every file in it has the same content."""
    parts = []
    for member in members:
        member.size = 0 if member.type in _BARE else len(content)
        parts += [member.tobuf(tarfile.PAX_FORMAT), (content + padding(len(content))) if member.size else b""]
    return gzip.compress(b"".join((*parts, END)))


def _info(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def _first(archive: bytes) -> TarEntry:
    return next(entries(Unpacked([archive])))


def test_every_item_comes_back_with_its_place() -> None:
    """Entries have the content, the size and the very place that the index has, across several gzip members."""
    lines = list(index_lines(Unpacked([INDEX])))
    found = _entries(ARCHIVE, keep=True)
    assert len({line.member for line in lines}) > 2
    assert [entry.content for entry in found] == [yaml for _, _, yaml in small_shop()]
    assert [(e.path, e.size, e.sha256, e.member, e.offset, e.fault) for e in found] == [
        (item_path(i.resource, i.namespace, i.name), i.size, i.sha256, i.member, i.offset, "") for i in lines
    ]


@given(st.lists(st.integers(0, len(ARCHIVE)), max_size=8))
def test_how_the_bytes_arrive_does_not_matter(cuts: list[int]) -> None:
    """Pieces may end anywhere, in the middle of a header too, and be empty."""
    places = [0, *sorted(cuts), len(ARCHIVE)]
    pieces = [ARCHIVE[start:stop] for start, stop in pairwise(places)]
    assert list(entries(Unpacked(pieces), keep=True)) == _entries(ARCHIVE, keep=True)


def test_names_that_need_a_pax_header_come_back() -> None:
    """A path over 100 bytes is read from its PAX header."""
    archive, index = packed([config_map("shop", "long-" * 40)])
    (line,) = index_lines(Unpacked([index]))
    (entry,) = _entries(archive)
    assert entry.path == item_path(line.resource, line.namespace, line.name)
    assert (entry.offset, entry.fault) == (line.offset, "")


def test_an_archive_cut_anywhere_is_damaged() -> None:
    """No cut, not even between two members, passes for the end."""
    for length in range(len(ARCHIVE)):
        with pytest.raises(BackupDamaged):
            _entries(ARCHIVE[:length])


def test_an_index_cut_anywhere_is_damaged_or_short() -> None:
    """A cut between two members of an index cannot be seen in it; then lines are missing, and they are counted."""
    whole = list(index_lines(Unpacked([INDEX])))
    for length in range(len(INDEX)):
        try:
            lines = list(index_lines(Unpacked([INDEX[:length]])))
        except BackupDamaged:
            continue
        assert lines == whole[: len(lines)]
        assert len(lines) < len(whole)


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(b"garbage", id="no gzip"),
        pytest.param(bytes(16), id="zeros"),
        pytest.param(gzip.compress(b"more"), id="a gzip member"),
        pytest.param(ARCHIVE, id="a second archive"),
    ],
)
def test_nothing_may_follow_the_end(tail: bytes) -> None:
    """What a tar would pass over in silence is damage here."""
    with pytest.raises(BackupDamaged):
        _entries(ARCHIVE + tail)


@pytest.mark.parametrize(
    ("info", "fault"),
    [
        (_info("resources/x.yaml", tarfile.SYMTYPE, "/etc/passwd"), "it is a symbolic link"),
        (_info("resources/x.yaml", tarfile.LNKTYPE, "other"), "it is a hard link"),
        (_info("resources/x.yaml", tarfile.CHRTYPE), "it is a device"),
        (_info("resources/x.yaml", tarfile.BLKTYPE), "it is a device"),
        (_info("resources/x.yaml", tarfile.FIFOTYPE), "it is a pipe"),
        (_info("resources", tarfile.DIRTYPE), "it is a folder"),
        (_info("resources/x.yaml", tarfile.CONTTYPE), "it is of tar's type b'7'"),
        (_info("/etc/passwd"), "its path is absolute"),
        (_info("../../etc/passwd"), "its path leads out of the folder it is unpacked in"),
        (_info("resources/../../x"), "its path leads out of the folder it is unpacked in"),
        (_info("resources/" + "a" * 200 + "/../../.."), "its path leads out of the folder it is unpacked in"),
    ],
)
def test_what_no_archive_of_ours_has_is_a_fault(info: tarfile.TarInfo, fault: str) -> None:
    """Links, devices, folders and paths that lead elsewhere are named, and their content is not kept."""
    (entry,) = _entries(_tar(info, content=b"x" * 700), keep=True)
    assert entry.fault == fault
    assert entry.content is None


def test_an_entry_after_a_fault_is_read() -> None:
    """A fault does not hide what comes after it."""
    archive = _tar(_info("a", tarfile.SYMTYPE, "b"), _info("resources/b.yaml"), content=b"kind: X\n" * 64)
    assert [entry.fault for entry in _entries(archive)] == ["it is a symbolic link", ""]


def _pax(records: bytes) -> bytes:
    """A file whose PAX header says `records`."""
    info = _info("./PaxHeaders/x", tarfile.XHDTYPE)
    info.size = len(records)
    return info.tobuf(tarfile.USTAR_FORMAT) + records + padding(len(records)) + header("x", 0) + END


@pytest.mark.parametrize(
    "records",
    [
        pytest.param(b"15 size=999999\n", id="another size"),
        pytest.param(b"15 linkpath=xy\n" + b"10 path=a\n", id="a link"),
        pytest.param(b"10 path=a\n" + b"10 path=b\n", id="two paths"),
        pytest.param(b"99 path=a\n", id="a wrong length"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"70000 path=" + b"a" * 69988 + b"\n", id="too long"),
    ],
)
def test_a_pax_header_says_a_path_and_nothing_else(records: bytes) -> None:
    """What would make other tars read another content than ours is refused."""
    with pytest.raises(BackupDamaged, match="PAX header"):
        _entries(gzip.compress(_pax(records)))


def test_a_negative_size_is_damage() -> None:
    """Tar can write a size below zero; skipping backwards would never end."""
    block = bytearray(header("x", 0))
    block[124:136] = b"\xff" * 12
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + sum(block[156:]) + 8 * 32)
    with pytest.raises(BackupDamaged, match="negative size"):
        _entries(gzip.compress(bytes(block) + END))


def test_an_item_in_two_members_is_a_fault() -> None:
    """An item is read by one range of one member; one that is spread over two cannot be."""
    entry = header("x", 600) + bytes(600) + padding(600)
    archive = gzip.compress(entry[:700]) + gzip.compress(entry[700:]) + gzip.compress(END)
    assert [found.fault for found in _entries(archive)] == ["it lies in several gzip members"]


def test_a_content_that_begins_the_next_member_is_where_it_is() -> None:
    """A header at the end of one member and its content in the next: the place is that of the content."""
    entry = header("x", 600) + bytes(600) + padding(600)
    first = gzip.compress(entry[:BLOCK])
    found = _first(first + gzip.compress(entry[BLOCK:]) + gzip.compress(END))
    assert (found.member, found.offset) == (len(first), 0)


def test_a_bomb_goes_off_in_small_pieces_and_is_put_out() -> None:
    """What unpacks to a thousand times its size is given up where the limit says, in a few megabytes of memory."""
    bomb = gzip.compress(header("x", 100 << 20) + bytes(100 << 20), 9)
    tracemalloc.start()
    try:
        with pytest.raises(BackupDamaged, match="unpacks to more"):
            _entries(bomb, limit=10 << 20)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
        tracemalloc.reset_peak()
        with pytest.raises(BackupDamaged):
            _entries(bomb, keep=True)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def _line(**changes: object) -> bytes:
    first = next(index_lines(Unpacked([INDEX])))
    return msgspec.json.encode(msgspec.to_builtins(first) | changes) + b"\n"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        pytest.param(b"{}\n", "not understood", id="no fields"),
        pytest.param(b"no json\n", "not understood", id="no json"),
        pytest.param(_line(name="x").replace(b"x", b"\xff"), "not understood", id="no utf-8"),
        pytest.param(_line().rstrip(b"\n"), "in the middle of a line", id="no end"),
        pytest.param(b"x" * (9 << 20), "too long", id="too long"),
        pytest.param(b'{"x":' + b"[" * 100_000 + b"\n", "maximum recursion depth", id="nested"),
        pytest.param(_line(size=-1), "negative", id="a negative size"),
        pytest.param(_line(member=-1), "negative", id="a negative member"),
        pytest.param(_line(offset=-1), "negative", id="a negative offset"),
    ],
)
def test_an_index_that_is_none_is_damage(raw: bytes, words: str) -> None:
    """Each line is a whole line of ours, or the index is damaged."""
    with pytest.raises(BackupDamaged, match=words):
        list(index_lines(Unpacked([gzip.compress(raw)])))


def test_fields_of_later_versions_are_passed_over() -> None:
    """A newer minor format may say more of an item."""
    (line,) = index_lines(Unpacked([gzip.compress(_line(colour="blue"))]))
    assert line == next(index_lines(Unpacked([INDEX])))


def _places() -> Iterator[tuple[int, int]]:
    for line in index_lines(Unpacked([INDEX])):
        yield line.member, line.offset


def test_seek_goes_forward_to_any_item() -> None:
    """From any item to any later one, within a member and over whole ones."""
    places = list(_places())
    for number, first in enumerate(places):
        for later in places[number:]:
            unpacked = Unpacked([ARCHIVE])
            unpacked.seek(*first)
            unpacked.seek(*later)
            assert unpacked.read(11) == b"apiVersion:"


@pytest.mark.parametrize("place", [(1, 512), (0, 1 << 30), (1 << 30, 512), (len(ARCHIVE), 0)])
def test_seek_to_nowhere_is_damage(place: tuple[int, int]) -> None:
    """A place where no member starts, or that lies outside, is never taken for another."""
    with pytest.raises(BackupDamaged, match="nothing at offset"):
        Unpacked([ARCHIVE]).seek(*place)


def test_seek_never_goes_back() -> None:
    """What has passed is gone."""
    unpacked = Unpacked([ARCHIVE])
    first, *_, last = _places()
    unpacked.seek(*last)
    with pytest.raises(BackupDamaged):
        unpacked.seek(*first)
