"""A Transport: one ICE + DTLS + SRTP association, its DTLS half in Python and its media half in a Worker."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from sfu._fastpath.values import TransportState as NativeState
from sfu._fastpath.worker import Worker
from sfu.media.link import WorkerLink
from sfu.rtc.dtls import DtlsAssociation, DtlsIdentity, DtlsState


class TransportPhase(Enum):
    """NEW until a pair is nominated, CONNECTING until keys are in place; CLOSED is final."""

    NEW = "new"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    CLOSED = "closed"


CloseReason = Literal["left", "consent_lost", "failed"]
"""Why the far end is gone: it said so, it fell silent, or its DTLS could not be accepted."""


@dataclass(frozen=True, slots=True)
class IceCredentials:
    """One side's ufrag and password (RFC 8839)."""

    ufrag: str
    pwd: str


class Transport:
    """The asyncio side of one Transport. `changed` is called after every change of `phase`."""

    def __init__(
        self, link: WorkerLink, handle: int, local: IceCredentials, changed: Callable[["Transport"], None]
    ) -> None:
        self.link = link
        self.handle = handle
        self.local = local
        self.phase = TransportPhase.NEW
        self.reason: CloseReason = "left"
        self.detail = ""
        self.media_in = False
        self._changed = changed
        self._dtls: DtlsAssociation | None = None
        self._timer: asyncio.TimerHandle | None = None

    def associate(
        self, remote: IceCredentials, fingerprints: Iterable[tuple[str, str]], identity: DtlsIdentity
    ) -> None:
        """Lets the far end of the SDP in: checks with these credentials, then DTLS as its server."""
        self._dtls = DtlsAssociation(identity, fingerprints, role="server")
        self.set_ice(self.local, remote)

    def set_ice(self, local: IceCredentials, remote: IceCredentials) -> None:
        """Credentials of both sides; called again it is an ICE restart, DTLS and media go on meanwhile."""
        self.local = local
        self.link.post(
            Worker.set_ice,
            self.handle,
            local_ufrag=local.ufrag,
            local_pwd=local.pwd,
            remote_ufrag=remote.ufrag,
            remote_pwd=remote.pwd,
        )

    def receive_dtls(self, datagram: bytes) -> None:
        """Takes a punted datagram, answers it, and hands the keys down when the handshake ends."""
        if self._dtls is None or self.phase is TransportPhase.CLOSED:
            return
        before = self._dtls.state
        answer = self._dtls.receive(datagram)
        if self._dtls.state is DtlsState.CONNECTED and before is not DtlsState.CONNECTED:
            self._set_keys(self._dtls)  # before our Finished, which media may follow at once
        self._send(answer)
        if self._dtls.state is not before:
            self._react(self._dtls)
        self._arm_timer()

    def notice(self, state: NativeState) -> None:
        """Takes what the Worker says about the Transport."""
        self.media_in = self.media_in or bool(state & NativeState.MEDIA_IN)
        if state & NativeState.EXPIRED:
            self._finish("consent_lost")
        elif state & NativeState.CONNECTED and self.phase is TransportPhase.NEW:
            self._enter(TransportPhase.CONNECTING)

    def close(self) -> None:
        """Says goodbye (close_notify) and frees the Worker's side. Nothing is reported; idempotent."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._dtls and self._dtls.state is DtlsState.CONNECTED:
            self._send(self._dtls.close())
        self._dtls = None
        self.phase = TransportPhase.CLOSED
        self.link.post(Worker.close_transport, self.handle)

    def _react(self, dtls: DtlsAssociation) -> None:
        if dtls.state is DtlsState.CONNECTED:
            self._enter(TransportPhase.CONNECTED)
        elif dtls.state is DtlsState.CLOSED:
            self._finish("left")
        elif dtls.state is DtlsState.FAILED:
            self._finish("failed", dtls.reason)

    def _set_keys(self, dtls: DtlsAssociation) -> None:
        if dtls.keys:
            self.link.post(
                Worker.set_srtp, self.handle, profile=dtls.keys.profile, rx=dtls.keys.rx, tx=dtls.keys.tx
            )

    def _send(self, datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            self.link.post(Worker.send_dtls, self.handle, datagram)

    def _arm_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        due_s = self._dtls.timeout_s() if self._dtls else None
        if due_s is not None:
            self._timer = asyncio.get_running_loop().call_later(due_s, self._repeat_flight)

    def _repeat_flight(self) -> None:
        if self._dtls is None:
            return
        self._send(self._dtls.handle_timeout())
        if self._dtls.state is DtlsState.FAILED:
            self._react(self._dtls)
        self._arm_timer()

    def _finish(self, reason: CloseReason, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        self._enter(TransportPhase.CLOSED)

    def _enter(self, phase: TransportPhase) -> None:
        if self.phase is not phase and self.phase is not TransportPhase.CLOSED:
            self.phase = phase
            self._changed(self)
