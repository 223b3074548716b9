"""What an answer tells libwebrtc beyond the standard, and to whom it does not."""

import pytest

from sfu.rtc.negotiate import negotiate
from tests.support.offers import DIRECTORY, LOCAL, terms

HINT = "x-google-start-bitrate"


@pytest.mark.parametrize(
    ("offer", "intent", "told"),
    [
        ("chromium-publish", "publish", True),
        ("chromium-simulcast", "publish", True),
        ("chromium-subscribe", "subscribe", False),
        ("gstreamer-publish", "publish", False),
    ],
)
def test_only_libwebrtc_publishers_are_told_where_to_start(offer: str, intent: str, told: bool) -> None:
    answer = negotiate((DIRECTORY / f"{offer}.sdp").read_text(), LOCAL, terms(intent)).answer
    assert (HINT in answer) == told
    audio = answer[answer.index("m=audio") : answer.index("m=video")]
    assert HINT not in audio


def test_what_the_offer_said_is_kept() -> None:
    text = (DIRECTORY / "chromium-publish.sdp").read_text()
    answer = negotiate(text, LOCAL, terms("publish")).answer
    offered = [line for line in text.splitlines() if line.startswith("a=fmtp:") and "profile" in line]
    assert any(line in answer for line in offered)
