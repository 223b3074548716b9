"""From what a negotiation agreed to what a Worker is told."""

from sfu._fastpath.extensions import extension_number
from sfu._fastpath.values import EncodingSpec, PayloadType, SubscriptionSpec, TrackSpec
from sfu.rtc.extensions import MID
from sfu.rtc.parameters import EncodingParameters, MediaSection


def track_spec(section: MediaSection) -> TrackSpec:
    """The Track that the far end of `section` publishes."""
    return TrackSpec(
        kind=section.kind.value,
        clock_rate=section.clock_rate,
        payload_types=tuple(
            PayloadType(
                codec.payload_type,
                codec.kind,
                -1 if codec.rtx_payload_type is None else codec.rtx_payload_type,
            )
            for codec in section.codecs
        ),
        encodings=tuple(_encoding_spec(encoding) for encoding in section.encodings) or (EncodingSpec(),),
        mid=section.mid if MID in section.receive_extensions() else "",
        extension_ids=_by_type(section.receive_extensions()),
        feedback=section.feedback,
    )


def subscription_spec(section: MediaSection, cname: str) -> SubscriptionSpec:
    """What goes out on `section`; ValueError: nothing is sent there."""
    if section.sending is None or section.sending.ssrc is None:
        raise ValueError(f"m-line {section.index} sends nothing")
    return SubscriptionSpec(
        kind=section.kind.value,
        clock_rate=section.clock_rate,
        ssrc=section.sending.ssrc,
        rtx_ssrc=section.sending.rtx_ssrc or 0,
        cname=cname,
        mid=section.mid if MID in section.send_extensions() else "",
        extension_ids=_by_type(section.send_extensions()),
        feedback=section.feedback,
    )


def _encoding_spec(encoding: EncodingParameters) -> EncodingSpec:
    return EncodingSpec(encoding.rid or "", encoding.ssrc or 0, encoding.rtx_ssrc or 0)


def _by_type(ids_by_uri: dict[str, int]) -> dict[int, int]:
    return {extension_number(uri): number for uri, number in ids_by_uri.items() if extension_number(uri)}
