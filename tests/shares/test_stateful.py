"""Random operations by the real client, from two connections, with restarts between: no difference to the model.

LINARITE_SHARE_STORIES=500 plays that many stories of random seeds, where CI plays a few that are always the same.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path as DiskPath
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.fileshare import ContentSettings, ShareClient, ShareFileClient, ShareServiceClient
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from tests.shares.clock import wait_for_a_tick
from tests.shares.model import PAGE, Model, Node, Path, fold
from tests.support.azure_files import KEY, file_service

STORIES = int(os.environ.get("LINARITE_SHARE_STORIES", "0"))
SIZE = 36 * PAGE + 100
MAX_SOURCE = 2048
"""How long the address of a copy's source may be. Source: Copy File, x-ms-copy-source."""

NAMES = ("a", "A", "b", "é x", "É X", "ж" * 200, "a~" + "0" * 40, ".dot", "c.d")
FOREIGN = tuple(name for name in NAMES if len(name) < 40)
"""Those that stand on disk as they are."""
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(tuple)
picks = st.one_of(st.integers(0, 20), st.integers(0, 20), paths)
"""Mostly something that is there, by its number; else a path, which may be there or not."""
data = st.one_of(
    st.binary(min_size=1, max_size=900),
    st.integers(1, 9000).map(bytes),
    st.tuples(st.binary(max_size=600), st.integers(1, 2000), st.binary(max_size=600)).map(
        lambda parts: parts[0] + bytes(parts[1]) + parts[2]
    ),
)
offsets = st.one_of(st.integers(0, SIZE), st.integers(0, SIZE // PAGE).map(PAGE.__mul__))
metadata = st.dictionaries(st.sampled_from(["k", "Key2"]), st.sampled_from(["v", "w w"]), max_size=2)
claims = st.sampled_from(["right", "right", "right", "right", "none", "wrong"])
who = st.integers(0, 1)
attributes = st.sampled_from([None, None, "Hidden", "ReadOnly", "System | Archive"])
md5s = st.sampled_from([None, b"0123456789abcdef"])


class Share(RuleBasedStateMachine):
    """One story: a share of its own on a service of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = DiskPath(tempfile.mkdtemp(prefix="linarite-story-"))
        self.stack = contextlib.ExitStack()
        self.model, self.leases = Model(), 0
        self._start()
        self.clients[0].create_share()

    def _start(self) -> None:
        self.service = self.stack.enter_context(file_service(self.folder))
        self.clients: list[ShareClient] = []
        for _ in range(2):
            url = f"{self.service.url}/devaccount"
            service = ShareServiceClient(url, credential=KEY, retry_total=0)
            self.stack.callback(service.close)
            self.clients.append(service.get_share_client("share"))

    def teardown(self) -> None:
        try:
            self.compare_all()
        finally:
            self.stack.close()
            shutil.rmtree(self.folder)

    # What is done.

    @rule(by=who, path=paths, metadata=metadata, attributes=st.sampled_from([None, "Hidden"]))
    def make_directory(self, by: int, path: Path, metadata: dict[str, str], attributes: str | None) -> None:
        refusals = self.model.no_place(path) | ({409} if self.model.get(path) else set())
        options = {"file_attributes": f"{attributes} | Directory"} if attributes else {}
        directory = self.clients[by].get_directory_client("/".join(path))
        if self._do(refusals, lambda: directory.create_directory(metadata=metadata, **options)):
            given = frozenset({attributes, "Directory"} if attributes else {"Directory"})
            self.model.put(path, Node(path[-1], is_directory=True, metadata=metadata, attributes=given))
            self._learn(path)

    @rule(
        by=who, pick=picks, size=st.integers(0, SIZE), metadata=metadata, attributes=attributes, md5=md5s, claim=claims
    )
    def create_file(
        self, by: int, pick: int | Path, size: int, metadata: dict[str, str], attributes: str | None,
        md5: bytes | None, claim: str,
    ) -> None:  # fmt: skip
        path = self._path(pick)
        lease = self._lease(path, claim)
        old = self.model.get(path)
        refusals = self.model.no_place(path) | self.model.locked(path, lease) | self.model.read_only(path)
        refusals |= {409} if old and old.is_directory else set()
        content = ContentSettings(content_type="text/x", content_md5=bytearray(md5) if md5 else None)
        options: dict[str, Any] = {"file_attributes": attributes} if attributes else {}
        file = self._file(by, path)
        call = lambda: file.create_file(  # noqa: E731
            size, content_settings=content, metadata=metadata, lease=lease, **options
        )
        if self._do(refusals, call):
            node = Node(path[-1], data=bytearray(size), metadata=metadata, content_type="text/x", md5=md5)
            if attributes:  # versions as new as this client's add what Windows adds to a file that is made
                node.attributes = frozenset({*attributes.split(" | "), "Archive"})
            self.model.put(path, node)
            self._learn(path)

    @rule(by=who, pick=picks, offset=offsets, data=data, claim=claims)
    def put_range(self, by: int, pick: int | Path, offset: int, data: bytes, claim: str) -> None:
        path = self._path(pick)
        lease = self._lease(path, claim)
        refusals = self._unwritable(path, lease)
        node = self.model.get(path)
        if node and not node.is_directory and offset + len(data) > len(node.data):
            refusals |= {416}
        file = self._file(by, path)
        if self._do(refusals, lambda: file.upload_range(data, offset, len(data), lease=lease)):
            assert node
            node.put(offset, data)
            self._learn(path)

    @rule(by=who, pick=picks, page=st.integers(0, 36), pages=st.integers(1, 16), claim=claims)
    def clear_range(self, by: int, pick: int | Path, page: int, pages: int, claim: str) -> None:
        path = self._path(pick)
        lease = self._lease(path, claim)
        refusals = self._unwritable(path, lease)
        node = self.model.get(path)
        start, end = page * PAGE, (page + pages) * PAGE
        if node and not node.is_directory and end > len(node.data):
            refusals |= {416}
        file = self._file(by, path)
        if self._do(refusals, lambda: file.clear_range(start, end - start, lease=lease)):
            assert node
            node.clear(page, pages)
            node.is_followed |= bool(self.model.snapshots)  # what is cleared is noted for them
            self._learn(path)

    @rule(by=who, pick=picks, size=st.integers(0, SIZE), claim=claims)
    def resize(self, by: int, pick: int | Path, size: int, claim: str) -> None:
        path = self._path(pick)
        lease = self._lease(path, claim)
        file = self._file(by, path)
        if self._do(self._unwritable(path, lease), lambda: file.resize_file(size, lease=lease)):
            node = self.model.get(path)
            assert node
            node.resize(size)
            node.is_followed = True
            self._learn(path)

    @rule(by=who, pick=picks, metadata=metadata, claim=claims)
    def set_metadata(self, by: int, pick: int | Path, metadata: dict[str, str], claim: str) -> None:
        path = self._path(pick)
        node = self.model.get(path)
        if node and node.is_directory:
            self.clients[by].get_directory_client("/".join(path)).set_directory_metadata(metadata)
        else:
            lease = self._lease(path, claim)
            refusals = self.model.missing(path, directory=False) | self.model.locked(path, lease)
            file = self._file(by, path)
            if not self._do(refusals, lambda: file.set_file_metadata(metadata, lease=lease)):
                return
        assert node
        node.metadata, node.is_followed = metadata, True
        if node.is_directory and node.is_foreign:  # from now on its times are kept, the first of them just now
            node.is_foreign, node.created = False, None
        self._learn(path)

    @rule(by=who, pick=picks, attributes=attributes, md5=md5s, claim=claims)
    def set_properties(self, by: int, pick: int | Path, attributes: str | None, md5: bytes | None, claim: str) -> None:
        path = self._path(pick)
        lease = self._lease(path, claim)
        refusals = self.model.missing(path, directory=False) | self.model.locked(path, lease)
        content = ContentSettings(content_type="text/y", content_md5=bytearray(md5) if md5 else None)
        file = self._file(by, path)
        call = lambda: file.set_http_headers(content, file_attributes=attributes or "preserve", lease=lease)  # noqa: E731
        if self._do(refusals, call):
            node = self.model.get(path)
            assert node
            node.content_type, node.md5, node.is_followed = "text/y", md5, True
            if attributes:
                node.attributes = frozenset(attributes.split(" | "))
            self._learn(path)

    @rule(by=who, pick=picks, claim=claims)
    def delete(self, by: int, pick: int | Path, claim: str) -> None:
        path = self._path(pick)
        node = self.model.get(path)
        if node and node.is_directory:
            directory = self.clients[by].get_directory_client("/".join(path))
            refusals = {409} if self.model.below(path) else set()
            done = self._do(refusals, directory.delete_directory)
        else:
            lease = self._lease(path, claim)
            file = self._file(by, path)
            done = self._do(self._unwritable(path, lease), lambda: file.delete_file(lease=lease))
        if done:
            del self.model.nodes[fold(path)]

    @rule(by=who, source=picks, onto=picks, overwrite=st.booleans(), claims=st.tuples(claims, claims))
    def rename(self, by: int, source: int | Path, onto: int | Path, overwrite: bool, claims: tuple[str, str]) -> None:
        old, new = self._path(source), self._path(onto)
        node, there = self.model.get(old), self.model.get(new)
        directory = node is not None and node.is_directory
        same = fold(old) == fold(new)
        if same and overwrite:
            return
        lease = None if directory else self._lease(old, claims[0])
        over = self._lease(new, claims[1]) if overwrite and there is not None and not there.is_directory else None
        refusals = self.model.missing(old, directory=directory) | self.model.no_place(new)
        refusals |= self.model.locked(old, lease)
        if there is not None and not same:
            refusals |= self.model.locked(new, over) | self.model.read_only(new) if overwrite else {409}
            refusals |= {409} if there.is_directory else set()
        if directory and fold(new)[: len(old)] == fold(old) and not same:
            refusals |= {400, 404, 409}  # into itself
        options: dict[str, Any] = {"overwrite": overwrite}
        if lease:
            options["source_lease"] = lease
        if over:
            options["destination_lease"] = over
        name = "/".join(new)
        if directory:
            client = self.clients[by].get_directory_client("/".join(old))
            done = self._do(refusals, lambda: client.rename_directory(name, **options))
        else:
            file = self._file(by, old)
            done = self._do(refusals, lambda: file.rename_file(name, **options))
        if done:
            self.model.rename(old, new)
            self._learn(new)

    @rule(by=who, source=picks, onto=picks, claim=claims)
    def copy(self, by: int, source: int | Path, onto: int | Path, claim: str) -> None:
        old, new = self._path(source), self._path(onto)
        node, there = self.model.get(old), self.model.get(new)
        lease = self._lease(new, claim)
        refusals = self.model.missing(old, directory=False) | self.model.no_place(new)
        refusals |= self.model.locked(new, lease) | self.model.read_only(new)
        refusals |= {409} if there and there.is_directory else set()
        url, file = self._file(by, old).url, self._file(by, new)
        refusals |= {400} if len(url) > MAX_SOURCE else set()
        if self._do(refusals, lambda: file.start_copy_from_url(url, lease=lease)):
            assert node
            made = Node(
                new[-1], data=bytearray(node.data), written=set(node.written), metadata=node.metadata,
                content_type=node.content_type, md5=node.md5,
            )  # fmt: skip
            self.model.put(new, made)
            self._learn(new)

    @rule(by=who, pick=picks, what=st.sampled_from(["acquire", "acquire", "release", "break"]))
    def lease(self, by: int, pick: int | Path, what: str) -> None:
        path = self._path(pick)
        refusals, node = self.model.missing(path, directory=False), self.model.get(path)
        held = node.lease if node else None
        if what == "acquire":
            refusals |= {409} if held else set()
            self.leases += 1
            given = str(uuid.uuid5(uuid.NAMESPACE_URL, str(self.leases)))
            if self._do(refusals, lambda: self._file(by, path).acquire_lease(lease_id=given)):
                assert node
                node.lease = given
        elif held and node:
            lease = self._file(by, path).acquire_lease(lease_id=held)
            lease.release() if what == "release" else lease.break_lease()
            node.lease = None

    @rule(by=who)
    def snapshot(self, by: int) -> None:
        if len(self.model.snapshots) < 3:
            self.model.keep(str(self.clients[by].create_snapshot()["snapshot"]))

    @rule(pick=st.integers(0, 20), keeps_time=st.booleans())
    def another_program_writes(self, pick: int, keeps_time: bool) -> None:
        """The same size, and now and then the old time: the tag is another one, the MD5 void.

        No zeros: over pages that the service noted as not written they count as none.
        """
        path = self._path(pick)
        node = self.model.get(path)
        if node is None or node.is_directory:
            return
        disk = self._disk_of(path)
        if disk is None or not node.data:
            return
        before = disk.stat()
        wait_for_a_tick(disk)
        node.put(0, bytes([node.data[0] % 255 + 1]) * len(node.data))
        disk.write_bytes(node.data)
        if keeps_time:
            os.utime(disk, ns=(before.st_atime_ns, before.st_mtime_ns))
        node.md5 = None
        self._learn(path)

    @rule(path=paths, data=data, directory=st.booleans())
    def another_program_makes(self, path: Path, data: bytes, directory: bool) -> None:
        disk = self._free_disk(path)
        if disk is None:
            return
        if directory:
            disk.mkdir()
        else:
            disk.write_bytes(data)
        made = Node(path[-1], is_directory=directory)
        made.put(0, b"" if directory else data)
        self.model.put_foreign(path, made)
        self._learn(path)

    @rule(pick=st.integers(0, 20))
    def another_program_removes(self, pick: int) -> None:
        """A file, or a directory with all that is in it."""
        path = self._path(pick)
        disk = self._disk_of(path)
        if disk is None:
            return
        wait_for_a_tick(disk.parent)
        if disk.is_dir():
            shutil.rmtree(disk)
        else:
            disk.unlink()
        self.model.take_away(path)

    @rule(pick=st.integers(0, 20), onto=paths)
    def another_program_moves(self, pick: int, onto: Path) -> None:
        """What REST knew of it goes along, as the bytes and the numbers do."""
        path = self._path(pick)
        disk, place = self._disk_of(path), self._free_disk(onto)
        if disk is None or place is None or fold(onto)[: len(path)] == fold(path):
            return
        wait_for_a_tick(disk.parent)
        wait_for_a_tick(disk)
        disk.rename(place)
        self.model.move_foreign(path, onto)
        if not place.is_dir():
            self._learn(onto)

    @rule()
    def restart(self) -> None:
        self.stack.close()
        self._start()
        self.compare_all()

    # What is compared.

    @rule(by=who, pick=picks)
    def look(self, by: int, pick: int | Path) -> None:
        path = self._path(pick)
        if self.model.get(path) is None:
            self._do({404}, self._file(by, path).get_file_properties)
        else:
            self._compare(path, by)

    @rule(by=who, number=st.integers(0, 2))
    def look_at_a_snapshot(self, by: int, number: int) -> None:
        if not self.model.snapshots:
            return
        name = list(self.model.snapshots)[number % len(self.model.snapshots)]
        now, self.model.nodes = self.model.nodes, self.model.snapshots[name]
        try:
            url = f"{self.service.url}/devaccount"
            with ShareServiceClient(url, credential=KEY, retry_total=0) as service:
                self._compare_tree(service.get_share_client("share", snapshot=name))
        finally:
            self.model.nodes = now

    def compare_all(self) -> None:
        self._compare_tree(self.clients[0])
        for path in list(self.model.nodes):
            self._compare(path, 0)

    def _compare_tree(self, share: ShareClient) -> None:
        """Names, kinds and sizes of everything, bytes and metadata of files."""
        for path in [(), *(key for key, node in self.model.nodes.items() if node.is_directory)]:
            spelled = self.model.spelled(path)
            found = list(share.list_directories_and_files("/".join(spelled)))
            expected = self.model.children(path)
            assert sorted((each.name, each.is_directory) for each in found) == sorted(
                (node.name, node.is_directory) for node in expected
            )
            for kind in (True, False):  # the client gives the directories of a page first
                names = [fold((each.name,)) for each in found if each.is_directory == kind]
                assert names == sorted(names)
            for node in expected:
                if not node.is_directory:
                    file = share.get_file_client("/".join((*spelled, node.name)))
                    downloaded = file.download_file()
                    assert downloaded.readall() == bytes(node.data)
                    assert downloaded.properties.metadata == node.metadata
                    assert [(each.start, each.end) for each in file.list_ranges()] == node.ranges

    def _compare(self, path: Path, by: int) -> None:
        node = self.model.get(path)
        assert node
        if node.is_directory:
            found = self.clients[by].get_directory_client("/".join(path)).get_directory_properties()
            assert (found.metadata, found.file_id) == (node.metadata, node.id)
            assert (found.etag, _times(found)) == (node.tag, node.times) or node.is_foreign  # what is in one moves it
            assert set(found.file_attributes.split(" | ")) == node.attributes
            return
        file = self._file(by, path)
        found = file.get_file_properties()
        md5 = found.content_settings.content_md5
        assert (found.size, found.metadata) == (len(node.data), node.metadata)
        assert (found.content_settings.content_type, bytes(md5) if md5 else None) == (node.content_type, node.md5)
        assert set(found.file_attributes.split(" | ")) == node.attributes
        assert found.lease.state == "leased" if node.lease else found.lease.state in {"available", "broken"}
        assert (found.etag, found.file_id) == (node.tag, node.id)
        assert str(found.creation_time) == node.created or node.is_foreign
        assert node.times in {None, _times(found)}
        assert file.download_file().readall() == bytes(node.data)
        assert [(each.start, each.end) for each in file.list_ranges()] == node.ranges

    # How.

    def _disk_of(self, path: Path) -> DiskPath | None:
        """Where something that is there stands, if by its own name and within the share."""
        if self.model.get(path) is None:
            return None
        disk = self.service.path("share", "/".join(self.model.spelled(path)))
        return disk if os.path.exists(disk) else None  # one that is too long for the disk stands there cut

    def _free_disk(self, path: Path) -> DiskPath | None:
        """Where another program may put something new."""
        if not self.model.is_free(path) or path[-1] not in FOREIGN:
            return None
        above = self.service.path("share", "/".join(self.model.spelled(path[:-1])))
        if not os.path.isdir(above):
            return None
        wait_for_a_tick(above)
        return above / path[-1]

    def _learn(self, path: Path) -> None:
        """After a change: the tag is another one; the number stays where the service keeps it."""
        node = self.model.get(path)
        assert node
        if node.is_directory:
            found = self.clients[0].get_directory_client("/".join(path)).get_directory_properties()
        else:
            found = self._file(0, path).get_file_properties()
        assert found.etag != node.tag
        assert node.id in {None, found.file_id}
        assert node.is_foreign or node.created in {None, str(found.creation_time)}
        node.tag, node.id, node.created = found.etag, found.file_id, str(found.creation_time)
        node.times = _times(found)
        self._compare(path, 1)

    def _do(self, refusals: set[int], call: Callable[[], object]) -> bool:
        """Whether it was done; a refusal is one of those that the model has reasons for."""
        told: tuple[int | None, object] | None = None
        try:
            call()
        except HttpResponseError as error:
            told = (error.status_code, error.error_code)
            note(f"refused: {told}")
        assert told[0] in refusals if told else not refusals, (told, refusals)
        return told is None

    def _unwritable(self, path: Path, lease: str | None) -> set[int]:
        missing = self.model.missing(path, directory=False)
        return missing | self.model.locked(path, lease) | self.model.read_only(path)

    def _path(self, pick: int | Path) -> Path:
        if isinstance(pick, tuple):
            return pick
        known = list(self.model.nodes)
        return self.model.spelled(known[pick % len(known)]) if known else ("a",)

    def _lease(self, path: Path, claim: str) -> str | None:
        """The lease that a request names, as it is right, none, or another one."""
        node = self.model.get(path)
        if claim == "wrong":
            return str(uuid.uuid5(uuid.NAMESPACE_URL, "another"))
        return node.lease if claim == "right" and node else None

    def _file(self, by: int, path: Path) -> ShareFileClient:
        return self.clients[by].get_file_client("/".join(path))


def _times(found: Any) -> tuple[str, ...]:
    return str(found.last_write_time), str(found.change_time), str(found.last_modified)


TestStories = Share.TestCase
TestStories.settings = settings(
    max_examples=STORIES or 16, stateful_step_count=60 if STORIES else 40, deadline=None, derandomize=not STORIES,
    suppress_health_check=list(HealthCheck), database=None, phases=[Phase.generate],
)  # fmt: skip
pytestmark = pytest.mark.timeout(0 if STORIES else 300)
