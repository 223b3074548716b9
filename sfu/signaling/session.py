"""One WHIP or WHEP session without IO: its ICE generation and the rules of PATCH (RFC 9725 section 4.3)."""

from dataclasses import dataclass, field

from sfu.errors import RejectedError
from sfu.rtc.parameters import Intent
from sfu.rtc.sdp import SessionDescription, parse_fragment

FRAGMENT_TYPE = "application/trickle-ice-sdpfrag"


@dataclass(frozen=True, slots=True)
class Trickled:
    """Candidates of the far end. An ICE-lite agent needs none (RFC 8445 section 6.1.1): nothing to do."""


@dataclass(frozen=True, slots=True)
class RestartWanted:
    """The far end restarts ICE with these credentials."""

    ufrag: str
    pwd: str


PatchOutcome = Trickled | RestartWanted


@dataclass(slots=True, eq=False)
class Session:
    """The HTTP resource of one Call. `id` is unguessable: whoever has the URL may change and end the Call.

    `ufrag` is the far end's in the present ICE session, which `etag` identifies.
    """

    id: str
    door: Intent
    room: str
    participant_sid: str
    ufrag: str
    generation: int = field(default=1)

    @property
    def etag(self) -> str:
        """A strong entity tag, new with every ICE restart."""
        return f'"{self.id[-8:]}-{self.generation}"'

    def patch(self, if_match: str | None, fragment: bytes) -> PatchOutcome:
        """What a PATCH asks for. RejectedError: 428 without If-Match, 412 if that is over; SdpError.

        A restart that is asked for again, because our answer was lost, gets a new answer.
        """
        if if_match is None:
            raise RejectedError(
                428, "If-Match is required", "send the ETag of the ICE session, or * to restart ICE"
            )
        if if_match != "*" and self.etag not in [tag.strip() for tag in if_match.split(",")]:
            raise RejectedError(412, "ICE session is over", f"the present ETag is {self.etag}")
        ufrag, pwd = _credentials(parse_fragment(fragment))
        again = if_match == "*" and self.generation > 1 and pwd is not None
        if ufrag is None or (ufrag == self.ufrag and not again):
            return Trickled()
        if pwd is None:
            raise RejectedError(
                400, "Fragment without ice-pwd", "an ICE restart needs a=ice-ufrag and a=ice-pwd"
            )
        return RestartWanted(ufrag, pwd)

    def restarted(self, ufrag: str) -> None:
        """The far end's new credentials are in force."""
        self.ufrag = ufrag
        self.generation += 1


def _credentials(fragment: SessionDescription) -> tuple[str | None, str | None]:
    """ice-ufrag and ice-pwd, which stand at session level or in the first m-section (RFC 8840 section 9)."""
    for section in (fragment, *fragment.media):
        if section.ice_ufrag is not None:
            return section.ice_ufrag, section.ice_pwd
    return None, None
