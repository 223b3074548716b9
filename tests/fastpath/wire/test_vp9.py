"""VP9 payload descriptors, put together from the figures of RFC 9628 section 4.2."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from tests.fastpath.probes import wire_probe as probe

MALFORMED = probe.MALFORMED["rtp"]


@dataclass
class Descriptor:
    """Only what a test draws; `bytes()` lays it out."""

    begin: bool
    end: bool
    inter: bool
    flexible: bool
    picture_id: int | None
    wide: bool
    layers: tuple[int, bool, int, bool] | None
    tl0: int
    references: list[int] = field(default_factory=list)
    structure: tuple[int, bool, list[list[int]] | None] | None = None

    def __bytes__(self) -> bytes:
        flags = (self.picture_id is not None) << 7 | self.inter << 6 | (self.layers is not None) << 5
        flags |= self.flexible << 4 | self.begin << 3 | self.end << 2 | (self.structure is not None) << 1
        out = bytearray([flags])
        if self.picture_id is not None:
            out += (
                (self.picture_id | 0x8000).to_bytes(2, "big")
                if self.wide
                else bytes([self.picture_id & 0x7F])
            )
        if self.layers is not None:
            tid, up, sid, inter_layer = self.layers
            out.append(tid << 5 | up << 4 | sid << 1 | inter_layer)
            if not self.flexible:
                out.append(self.tl0)
        if self.flexible and self.inter:
            out += bytes(diff << 1 | (i < len(self.references) - 1) for i, diff in enumerate(self.references))
        if self.structure is not None:
            out += self._structure_bytes(*self.structure)
        return bytes(out)

    @staticmethod
    def _structure_bytes(spatial: int, sizes: bool, pictures: list[list[int]] | None) -> bytes:
        out = bytearray([spatial << 5 | sizes << 4 | (pictures is not None) << 3])
        out += bytes(4 * (spatial + 1)) if sizes else b""
        if pictures is not None:
            out.append(len(pictures))
            for differences in pictures:
                out += bytes([len(differences) << 2, *differences])
        return bytes(out)


U3 = st.integers(0, 7)
DESCRIPTORS = st.builds(
    Descriptor,
    begin=st.booleans(),
    end=st.booleans(),
    inter=st.booleans(),
    flexible=st.booleans(),
    picture_id=st.none() | st.integers(0, 0x7FFF),
    wide=st.booleans(),
    layers=st.none() | st.tuples(U3, st.booleans(), U3, st.booleans()),
    tl0=st.integers(0, 255),
    references=st.lists(st.integers(0, 127), min_size=1, max_size=3),
    structure=st.none()
    | st.tuples(
        U3, st.booleans(), st.none() | st.lists(st.lists(st.integers(0, 255), max_size=3), max_size=12)
    ),
)


@given(DESCRIPTORS)
def test_every_field_is_read(d: Descriptor) -> None:
    read = probe.vp9_parse(bytes(d) + b"frame")
    tid, up, sid, inter_layer = d.layers or (0, False, 0, False)
    expected_id = None if d.picture_id is None else d.picture_id if d.wide else d.picture_id & 0x7F
    assert read["descriptor_bytes"] == len(bytes(d))
    assert (read["start_of_frame"], read["end_of_frame"]) == (d.begin, d.end)
    assert (read["inter_predicted"], read["flexible"]) == (d.inter, d.flexible)
    assert (read["picture_id"] if read["has_picture_id"] else None) == expected_id
    assert read["has_layers"] == (d.layers is not None)
    assert (read["tid"], read["switching_up"], read["sid"], read["inter_layer"]) == (
        tid,
        up,
        sid,
        inter_layer,
    )
    assert (read["tl0_pic_idx"] if read["has_tl0"] else None) == (
        d.tl0 if d.layers and not d.flexible else None
    )
    assert read["keyframe"] == (d.begin and not d.inter and sid == 0)


@given(DESCRIPTORS, st.data())
def test_a_descriptor_with_nothing_behind_it_is_malformed(d: Descriptor, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(bytes(d))))
    assert probe.vp9_parse(bytes(d)[:cut]) == MALFORMED


def test_a_fourth_reference_is_malformed() -> None:
    assert probe.vp9_parse(bytes([0x50, 3, 3, 3, 2]) + b"frame") == MALFORMED
