"""What a Director knows of the cluster: live Nodes, the blocklist, and how to reach a Node."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from sfu.cluster import records, subjects
from sfu.cluster.blocklist import Blocklist
from sfu.cluster.control import NodeControl
from sfu.cluster.records import NodeRecord, ParticipantRecord
from sfu.cluster.store import RevisionMismatchError, Store
from sfu.cluster.view import RecordView
from sfu.errors import RejectedError

NodeLink = Callable[[str], NodeControl | None]
"""Given a Node's id, the way to order it about, if there is one."""


class Cluster:
    """Nodes, Participants and blocks as the Store shows them now."""

    def __init__(self, store: Store, link: NodeLink) -> None:
        self.store = store
        self._link = link
        self._nodes = RecordView(store, subjects.NODES, NodeRecord)
        self.blocklist = Blocklist(store)
        self._alive: set[str] = set()
        self._pending: dict[str, tuple[float, int]] = {}

    async def start(self) -> None:
        """Follow the Store; returns when everything known is in."""
        await self._nodes.start()
        await self.blocklist.start()

    async def stop(self) -> None:
        """Stop following."""
        await self._nodes.stop()
        await self.blocklist.stop()

    def nodes(self) -> list[NodeRecord]:
        """Live Nodes by id."""
        return self._nodes.all()

    def node(self, node: str) -> NodeRecord:
        """One live Node; RejectedError 404."""
        record = self._nodes.get(subjects.node_key(node))
        if record is None:
            raise RejectedError(404, "No such Node", f"no live Node is called {node!r}")
        return record

    def control(self, node: str) -> NodeControl:
        """The way to order a Node about; RejectedError 503 while it cannot be reached."""
        control = self._link(node)
        if control is None:
            raise RejectedError(503, "Node cannot be reached", f"Node {node!r} does not answer")
        return control

    async def expect_draining(self, node: NodeRecord, *, draining: bool) -> None:
        """Write what the Node's next heartbeat will say, so that placement heeds it from now on."""
        expected = msgspec.structs.replace(node, draining=draining)
        await self.store.put(subjects.node_key(node.id), records.encode(expected))

    def note_placement(self, node: NodeRecord) -> None:
        """Count a join towards the Node's load until its next heartbeat shows it."""
        self._pending[node.id] = (node.heartbeat_at_s, self.pending().get(node.id, 0) + 1)

    def pending(self) -> Mapping[str, int]:
        """Joins sent to each Node since its last heartbeat."""
        heartbeats = {node.id: node.heartbeat_at_s for node in self.nodes()}
        return {id_: count for id_, (beat, count) in self._pending.items() if heartbeats.get(id_) == beat}

    async def participants(self, room: str) -> list[ParticipantRecord]:
        """Who is in the Room on live Nodes, in order of joining."""
        found = await self._participant_records(subjects.participants_prefix(room))
        return sorted(found, key=lambda record: (record.joined_at_s, record.identity))

    async def participant(self, room: str, identity: str) -> ParticipantRecord:
        """One of them; RejectedError 404."""
        found = await self._participant_records(subjects.participant_key(room, identity))
        for record in found:
            if record.identity == identity:
                return record
        raise RejectedError(404, "No such Participant", f"{identity!r} is not in Room {room!r}")

    async def rooms_of(self, identity: str) -> list[ParticipantRecord]:
        """Every Room that the identity is in."""
        everybody = await self._participant_records(subjects.PARTICIPANTS)
        return [record for record in everybody if record.identity == identity]

    async def occupancy(self) -> tuple[Counter[str], Counter[str]]:
        """Participants and publishers per Room."""
        everybody = await self._participant_records(subjects.PARTICIPANTS)
        publishers = Counter(record.room for record in everybody if record.tracks)
        return Counter(record.room for record in everybody), publishers

    async def count(self, room: str, *, besides: str) -> int:
        """How many are in the Room, whatever their Node, without counting one identity."""
        keys = await self.store.keys(subjects.participants_prefix(room))
        return len(keys) - (subjects.participant_key(room, besides) in keys)

    async def occupied(self) -> set[str]:
        """Keys of the Rooms that somebody is in."""
        keys = await self.store.keys(subjects.PARTICIPANTS)
        return {subjects.ROOMS + key.split(".")[1] for key in keys}

    async def bury(self) -> None:
        """Delete the ParticipantRecords of Nodes that have died since the last call."""
        alive = {node.id for node in self.nodes()}
        dead, self._alive = self._alive - alive, alive
        if not dead:
            return
        for entry in await self.store.entries(subjects.PARTICIPANTS):
            if entry.value and records.decode(entry.value, ParticipantRecord).node in dead:
                with contextlib.suppress(RevisionMismatchError):
                    await self.store.delete(entry.key, revision=entry.revision)

    async def _participant_records(self, prefix: str) -> list[ParticipantRecord]:
        alive = {node.id for node in self.nodes()}
        entries = await self.store.entries(prefix)
        found = [records.decode(entry.value, ParticipantRecord) for entry in entries if entry.value]
        return [record for record in found if record.node in alive]
