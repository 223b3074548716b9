"""A WHIP or WHEP client on GStreamer's webrtcbin. Runs under the system's Python, which has the bindings.

    /usr/bin/python3 gstreamer_client.py publish|watch ENDPOINT TOKEN

Prints one JSON object per line: {"state": "connected"}, and while watching
{"frames": n, "width": w, "height": h, "audio_buffers": n, "loudness_db": x}. Ends with a DELETE on SIGTERM.
"""

import json
import signal
import sys
import threading
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PUBLISH = """
webrtcbin name=peer bundle-policy=max-bundle
videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=25/1 ! videoconvert
  ! vp8enc deadline=1 keyframe-max-dist=50 target-bitrate=600000 ! rtpvp8pay picture-id-mode=15-bit
  ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! queue ! peer.
audiotestsrc is-live=true freq=440 ! audioconvert ! audioresample ! opusenc ! rtpopuspay
  ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! queue ! peer.
"""
WATCH = "webrtcbin name=peer bundle-policy=max-bundle fakesrc num-buffers=0 ! fakesink"
RECEIVE = (
    "application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000,encoding-params=(string)2",
    "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000",
)


_saying = threading.Lock()


def say(**news: object) -> None:
    """One line; webrtcbin calls from threads of its own."""
    with _saying:
        sys.stdout.write(json.dumps(news) + "\n")
        sys.stdout.flush()


class Client:
    """One webrtcbin and its session resource."""

    def __init__(self, role: str, endpoint: str, token: str) -> None:
        self.endpoint = endpoint
        self.token = token
        self.location = ""
        self.seen = {"frames": 0, "width": 0, "height": 0, "audio_buffers": 0, "loudness_db": -120.0}
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.parse_launch(PUBLISH if role == "publish" else WATCH)
        self.peer = self.pipeline.get_by_name("peer")
        if role == "publish":
            self.peer.connect("on-negotiation-needed", self.offer)
        self.peer.connect("notify::ice-gathering-state", self.gathered)
        self.peer.connect("notify::connection-state", self.connection_changed)
        self.peer.connect("pad-added", self.receive)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::element", self.measure)
        bus.connect("message::error", lambda _bus, message: say(error=message.parse_error()[0].message))
        self.pipeline.set_state(Gst.State.READY)
        self.ice = self.peer.get_property("ice-agent")
        self.ice.emit("add-local-ip-address", "127.0.0.1")
        if role == "watch":
            for caps in RECEIVE:
                direction = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
                self.peer.emit("add-transceiver", direction, Gst.Caps.from_string(caps))
            GLib.idle_add(self.offer, self.peer)

    def run(self) -> None:
        self.pipeline.set_state(Gst.State.PLAYING)
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGTERM, self.leave)
        GLib.timeout_add(200, self.report)
        self.loop.run()

    def offer(self, peer: Gst.Element) -> bool:
        self.promise = Gst.Promise.new_with_change_func(self.offered)
        peer.emit("create-offer", None, self.promise)
        return False

    def offered(self, promise: Gst.Promise) -> None:
        promise.wait()
        self.answer_holder = promise.get_reply()
        description = self.answer_holder.get_value("offer")
        self.peer.emit("set-local-description", description, Gst.Promise.new())

    def gathered(self, peer: Gst.Element, _property: object) -> None:
        if peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self.post)

    def post(self) -> bool:
        sdp = self.peer.get_property("local-description").sdp.as_text()
        headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(self.endpoint, sdp.encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                answer = response.read()
                self.location = urllib.parse.urljoin(self.endpoint, response.headers["Location"])
        except urllib.error.HTTPError as error:
            say(error=f"{error.code} {error.read().decode()}", offer=sdp)
            self.loop.quit()
            return False
        _, message = GstSdp.SDPMessage.new()
        GstSdp.sdp_message_parse_buffer(answer, message)
        self.remote = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.peer.emit("set-remote-description", self.remote, Gst.Promise.new())
        say(state="answered")
        return False

    def connection_changed(self, peer: Gst.Element, _property: object) -> None:
        say(state=peer.get_property("connection-state").value_nick)

    def receive(self, _peer: Gst.Element, pad: Gst.Pad) -> None:
        if pad.direction != Gst.PadDirection.SRC:
            return
        decoder = Gst.ElementFactory.make("decodebin")
        decoder.connect("pad-added", self.decoded)
        self.pipeline.add(decoder)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))

    def decoded(self, _decoder: Gst.Element, pad: Gst.Pad) -> None:
        video = pad.get_current_caps().get_structure(0).get_name().startswith("video")
        tail = (
            "fakesink sync=false"
            if video
            else "audioconvert ! level interval=200000000 ! fakesink sync=false"
        )
        sink = Gst.parse_bin_from_description(f"queue ! {tail}", True)
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))
        pad.add_probe(Gst.PadProbeType.BUFFER, self.count_frame if video else self.count_audio)

    def count_frame(self, pad: Gst.Pad, _probe: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        caps = pad.get_current_caps().get_structure(0)
        self.seen["frames"] += 1
        self.seen["width"] = caps.get_value("width")
        self.seen["height"] = caps.get_value("height")
        return Gst.PadProbeReturn.OK

    def count_audio(self, _pad: Gst.Pad, _probe: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        self.seen["audio_buffers"] += 1
        return Gst.PadProbeReturn.OK

    def measure(self, _bus: Gst.Bus, message: Gst.Message) -> None:
        levels = message.get_structure()
        if levels and levels.get_name() == "level":
            self.seen["loudness_db"] = max(self.seen["loudness_db"], *levels.get_value("rms"))

    def report(self) -> bool:
        say(**self.seen)
        return True

    def leave(self) -> bool:
        self.pipeline.set_state(Gst.State.NULL)
        if self.location:
            urllib.request.urlopen(urllib.request.Request(self.location, method="DELETE"), timeout=5).close()
        self.loop.quit()
        return False


if __name__ == "__main__":
    Gst.init(None)
    Client(*sys.argv[1:4]).run()
