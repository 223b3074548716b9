"""What a Node is made of, for the functions that work on all of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sfu._fastpath.values import TransportRow
from sfu.config import Config
from sfu.ids import Randomness
from sfu.media.plane import MediaPlane
from sfu.node.calls import Calls
from sfu.node.gate import Gate
from sfu.node.ledger import Ledger
from sfu.node.memory import MemoryTrimmer
from sfu.node.rooms import Rooms
from sfu.node.shared import SharedValues
from sfu.rtc.dtls import DtlsIdentity
from sfu.rtc.ice import host_priority
from sfu.rtc.parameters import Candidate
from sfu.signaling.messages import IceServer
from sfu.telemetry.metrics import NodeMetrics


@dataclass(slots=True, eq=False)
class Parts:
    """One Node's state and tools. `now_us` is Unix time in microseconds."""

    config: Config
    node_id: str
    plane: MediaPlane
    dtls: DtlsIdentity
    ledger: Ledger
    gate: Gate
    metrics: NodeMetrics
    now_us: Callable[[], int]
    randomness: Randomness
    media_addresses: tuple[str, ...]
    ice_servers: Callable[[str], tuple[IceServer, ...]]
    rooms: Rooms = field(default_factory=Rooms)
    calls: Calls = field(default_factory=Calls)
    shared: SharedValues = field(default_factory=SharedValues)
    transport_rows: dict[tuple[int, int], TransportRow] = field(default_factory=dict)
    """By Worker index and handle, as of the latest reading."""
    memory: MemoryTrimmer = field(default_factory=MemoryTrimmer)
    draining: bool = False

    def candidates(self, port: int) -> tuple[Candidate, ...]:
        """Our host candidates at the port of one Worker."""
        return host_candidates(self.media_addresses, port)


def host_candidates(addresses: tuple[str, ...], port: int) -> tuple[Candidate, ...]:
    """One host candidate for each address, preferred in this order."""
    return tuple(
        Candidate(address, port, host_priority(65535 - place), foundation=str(place + 1))
        for place, address in enumerate(addresses)
    )
