"""Scripts for a whole packet core: far ends with keys, strangers, Commands with live and stale handles, time."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from pylibsrtp import Error as SrtpError

from sfu._fastpath.drops import datagram_drops
from sfu._fastpath.values import PayloadTypeMap, SubscriptionSpec
from tests.fastpath.probes.core_probe import CoreProbe
from tests.fuzz.stage import COUNTED, records
from tests.support.far_end import KEY_BYTES, FarEnd
from tests.support.stage import AUDIO, OPUS, VIDEO, VP8, simulcast

SPECS = (VIDEO, AUDIO, simulcast())
PROFILES = sorted(KEY_BYTES)
STALE = 0x7FFFFFFF
STRANGER = ("192.0.2.1", 9)
FIRST_PORT = 1001


@dataclass(slots=True)
class Script:
    """Carries out records; the argument's first byte mostly chooses the object, the rest says how."""

    core: CoreProbe = field(default_factory=lambda: CoreProbe(transports=4, tracks=4, subscriptions=5))
    other: CoreProbe | None = None
    "Worker 1, once something is mirrored: rings take their time"
    far_ends: list[FarEnd] = field(default_factory=list)
    tracks: list[int] = field(default_factory=list)
    subscriptions: list[int] = field(default_factory=list)
    refused: int = 0

    def run(self, script: bytes) -> None:
        steps = self._steps()
        for operation, argument in records(script):
            steps[operation % len(steps)](argument + bytes(4))
            self.core.sent()
            self.check()

    def check(self) -> None:
        """Every datagram is counted once."""
        reading = self.core.snapshot()
        counted = sum(reading.counters[name] for name in COUNTED)
        assert reading.counters["datagrams_in"] == counted + sum(
            reading.drops[name] for name in datagram_drops
        )

    def _steps(self) -> tuple[Callable[[bytes], None], ...]:
        return (
            self._connect,
            self._publish,
            self._subscribe,
            self._bind,
            self._rtp,
            self._rtcp,
            self._datagram,
            self._wait,
            self._select,
            self._end,
            self._mirror,
            self._switch,
        )

    def _order(self, name: str, handle: int, *args: object) -> int:
        try:
            return int(self.core.command(name, handle, *args) or 0)
        except ValueError:
            self.refused += 1
            return 0

    def _far_end(self, choice: int) -> FarEnd | None:
        return self.far_ends[choice % len(self.far_ends)] if self.far_ends else None

    def _transport(self, choice: int) -> int:
        far_end = self._far_end(choice)
        return far_end.handle if far_end and choice < 250 else STALE

    @staticmethod
    def _pick(handles: list[int], choice: int) -> int:
        return handles[choice % len(handles)] if handles and choice < 250 else STALE

    def _connect(self, argument: bytes) -> None:
        if len(self.far_ends) < 8:
            address = ("10.0.0.1", FIRST_PORT + len(self.far_ends))
            try:
                self.far_ends.append(FarEnd(self.core, PROFILES[argument[0] % 3], address=address))
            except ValueError:
                self.refused += 1

    def _publish(self, argument: bytes) -> None:
        spec = SPECS[argument[1] % len(SPECS)]
        self.tracks.append(self._order("add_track", self._transport(argument[0]), spec) or STALE)

    def _subscribe(self, argument: bytes) -> None:
        kind = "audio" if argument[1] & 1 else "video"
        ids = {1: 1 + argument[2] % 20, 4: 7}
        spec = SubscriptionSpec(kind, 90_000, 5 + argument[3], "cname", argument[1] >> 4, "0", ids)
        self.subscriptions.append(self._order("subscribe", self._transport(argument[0]), spec) or STALE)

    def _bind(self, argument: bytes) -> None:
        maps = [PayloadTypeMap(VP8, 120, 121 if argument[2] & 1 else -1), PayloadTypeMap(OPUS, 111)][
            argument[2] >> 7 :
        ]
        self._order(
            "bind", self._pick(self.subscriptions, argument[0]), self._pick(self.tracks, argument[1]), maps
        )

    def _rtp(self, argument: bytes) -> None:
        """Header fields by bytes, the rest is extension block and payload."""
        far_end = self._far_end(argument[0])
        flags, seq = argument[1], argument[2]
        head = struct.pack(
            "!BBHII",
            0x80 | flags & 0x30,
            (VP8, OPUS, 97, 13)[flags & 3] | flags & 0x80,
            seq * 257 if flags & 0x40 else seq,
            960 * seq,
            1000 + (flags >> 2 & 3),
        )
        if far_end is not None:
            try:
                self.core.ingest([far_end.protect(head + argument[3:])])
            except SrtpError:
                return

    def _rtcp(self, argument: bytes) -> None:
        far_end = self._far_end(argument[0])
        if far_end is not None:
            try:
                far_end.send_rtcp(argument[1:])
            except SrtpError:
                return

    def _datagram(self, argument: bytes) -> None:
        """As it is, from somebody's address or from nobody's; or a check, right or cut."""
        far_end = self._far_end(argument[0])
        address = far_end.address if far_end and argument[1] & 1 else STRANGER
        data = argument[2:]
        if far_end and argument[1] & 2:
            data = far_end.binding_request(nominate=bool(argument[1] & 4))[
                : None if argument[1] & 8 else argument[2]
            ]
        self.core.ingest([(data, address)])

    def _wait(self, argument: bytes) -> None:
        self.core.advance(1000 << argument[0] % 16)
        if self.other:
            self.other.advance(0)

    def _select(self, argument: bytes) -> None:
        subscription = self._pick(self.subscriptions, argument[0])
        self._order("select", subscription, argument[1] % 8 - 1, argument[2] % 8 - 1)
        self._order("pause", subscription, argument[3] & 1)

    def _end(self, argument: bytes) -> None:
        match argument[1] % 4:
            case 0:
                self._order("close_transport", self._transport(argument[0]))
            case 1:
                self._order("remove_track", self._pick(self.tracks, argument[0]))
            case 2:
                self._order("unsubscribe", self._pick(self.subscriptions, argument[0]))
            case 3:
                self._order("mute", self._pick(self.tracks, argument[0]), argument[2] & 1)

    def _mirror(self, argument: bytes) -> None:
        if self.other is None:
            self.other = CoreProbe(index=1, transports=4)
            self.core.join(self.other, 0, 1)
        if argument[1] & 1:
            self._order("export_track", self._pick(self.tracks, argument[0]), argument[2] % 40, argument[3])
        else:
            self.tracks.append(self._order("mirror_track", 0, VIDEO, argument[2] % 4, argument[3]) or STALE)

    def _switch(self, argument: bytes) -> None:
        self.core.holding, self.core.gso = bool(argument[0] & 1), bool(argument[0] & 2)
        if argument[1] & 1:
            profile = PROFILES[argument[2] % 3]
            keys = bytes(KEY_BYTES[profile])
            self._order("set_srtp", self._transport(argument[0]), profile, keys, keys)
        if argument[1] & 2:
            self._order("request_keyframe", self._pick(self.tracks, argument[0]))
