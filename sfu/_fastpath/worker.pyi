from collections.abc import Sequence

from sfu._fastpath.values import (
    PayloadTypeMap,
    Punt,
    Reply,
    SnapshotScope,
    SubscriptionSpec,
    TrackNotice,
    TrackSpec,
    TransportNotice,
    WorkerConfig,
)

class Worker:
    """One native thread around one UDP socket; owns everything per packet. Never takes the GIL while it runs.

    Every method that returns a token sends one Command; exactly one Reply with that token comes out of `poll`.
    BlockingIOError: no credit left (too many Commands in flight), poll first. All methods belong to one thread.
    """

    index: int
    port: int
    "UDP port after start()."
    event_fd: int
    "Readable (eventfd) when `poll` has something."
    crypto: str
    "'ipsec-mb' or 'openssl'."

    def __init__(self, config: WorkerConfig) -> None: ...
    @staticmethod
    def connect(workers: Sequence[Worker]) -> None:
        """Lays packet rings between all of these Workers; before start()."""

    def start(self) -> None:
        """Binds the socket (OSError) and starts the thread; once in a Worker's life."""

    def stop(self) -> None:
        """Stops and joins the thread; idempotent."""

    def poll(self) -> list[Reply | TransportNotice | TrackNotice | Punt]:
        """All that has come up since the last call; clears `event_fd`."""

    def open_transport(self) -> int:
        """Reply.value: Transport handle."""

    def set_ice(
        self, transport: int, *, local_ufrag: str, local_pwd: str, remote_ufrag: str, remote_pwd: str
    ) -> int:
        """Credentials of the Transport. A second call is an ICE restart: the old pair stays good until the new one
        is nominated (RFC 8445 section 2.4)."""

    def set_srtp(self, transport: int, *, profile: int, rx: bytes, tx: bytes) -> int:
        """Master key || master salt for each direction; `profile` is the DTLS-SRTP number."""

    def send_dtls(self, transport: int, datagram: bytes) -> int: ...
    def close_transport(self, transport: int) -> int:
        """Also removes its Tracks and Subscriptions."""

    def add_track(self, transport: int, spec: TrackSpec) -> int:
        """Reply.value: Track handle."""

    def mirror_track(self, spec: TrackSpec, *, source_worker: int, source_track: int) -> int:
        """Reply.value: handle of a local image of another Worker's Track; feed it by `export_track` there."""

    def export_track(self, track: int, *, to_worker: int, mirror: int) -> int:
        """Sends every packet of `track` to the mirror on that Worker from now on; mirror 0 ends it."""

    def remove_track(self, track: int) -> int:
        """Its Subscriptions stay and wait for another bind()."""

    def subscribe(self, transport: int, spec: SubscriptionSpec) -> int:
        """Reply.value: Subscription handle; nothing flows before bind().

        An SSRC serves one Subscription in the life of a Transport: a second would number its packets anew under the
        same key (RFC 3711 section 9.1).
        """

    def bind(self, subscription: int, track: int, payload_types: Sequence[PayloadTypeMap]) -> int:
        """Feeds the Subscription from `track` (0: from nothing). The outgoing stream stays one: continuous seq,
        monotonic rtp_ts, continuing picture ids."""

    def select(self, subscription: int, *, encoding: int = -1, temporal: int = -1) -> int:
        """Wish for an Encoding (index in TrackSpec.encodings; -1: the highest live one) and the highest temporal
        layer (-1: all)."""

    def pause(self, subscription: int, *, paused: bool) -> int: ...
    def mute(self, track: int, *, muted: bool) -> int:
        """A muted Track is received but not forwarded."""

    def unsubscribe(self, subscription: int) -> int: ...
    def request_keyframe(self, track: int) -> int: ...
    def snapshot(self, scope: SnapshotScope) -> int:
        """Reply.rows: a Snapshot."""
