"""What a Director knows of the cluster: live Nodes, the blocklist, and how to reach a Node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from sfu.cluster import records, subjects
from sfu.cluster.blocklist import check_not_blocked
from sfu.cluster.control import NodeControl
from sfu.cluster.records import BlockRecord, NodeRecord, ParticipantRecord
from sfu.cluster.store import Store
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
        self._blocks = RecordView(store, subjects.BLOCKS, BlockRecord)
        self._pending: dict[str, tuple[float, int]] = {}

    async def start(self) -> None:
        """Follow the Store; returns when everything known is in."""
        await self._nodes.start()
        await self._blocks.start()

    async def stop(self) -> None:
        """Stop following."""
        await self._nodes.stop()
        await self._blocks.stop()

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

    def blocks(self) -> list[BlockRecord]:
        """The blocklist."""
        return self._blocks.all()

    def check_blocked(self, *, identity: str, address: str, token_id: str, now_s: float) -> None:
        """RejectedError 403 for whoever is on the blocklist."""
        check_not_blocked(
            self._blocks.all(), identity=identity, address=address, token_id=token_id, now_s=now_s
        )

    async def _participant_records(self, prefix: str) -> list[ParticipantRecord]:
        alive = {node.id for node in self.nodes()}
        entries = await self.store.entries(prefix)
        found = [records.decode(entry.value, ParticipantRecord) for entry in entries if entry.value]
        return [record for record in found if record.node in alive]
