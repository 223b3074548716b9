"""Published test vectors: RFC 3711 appendix B, RFC 7714 sections 16 and 17."""

import pytest

from tests.fastpath.probes import srtp_probe as probe

SALT_GCM = bytes.fromhex("51756964 2070726f 2071756f")
KEYS = {16: bytes(range(16)), 32: bytes(range(32))}
RTP_HEADER = bytes.fromhex("8040f17b 8041f8d3 5501a0b2")
RTP_PAYLOAD = b"Gallia est omnis divisa in partes tres"
RTCP_HEADER = bytes.fromhex("81c8000d 4d617273")
RTCP_BODY = bytes.fromhex("4e545031 4e545032 52545020 0000042a 0000e930 4c756e61" + "deadbeef" * 5)
RTCP_INDEX = 0x5D4


def gcm_row(salt: bytes) -> bytes:
    return bytes(2) + salt + bytes(2)


def test_key_stream_of_aes_cm() -> None:
    """RFC 3711 B.2."""
    key = bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C")
    salt = bytes.fromhex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000")
    stream = probe.key_stream(key, probe.packet_iv(salt, bytes(4), 0), 48)
    assert stream == bytes.fromhex(
        "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0"
    )
    stream = probe.key_stream(key, bytes.fromhex("F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF"), 48)
    assert stream == bytes.fromhex(
        "EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE 6A2CC3787889374FBEB4C81B17BA6C44"
    )


def test_session_keys_of_aes_cm() -> None:
    """RFC 3711 B.3."""
    encryption, authentication, salt = probe.derive_keys(
        bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE4139"), bytes.fromhex("0EC675AD498AFEEBB6960B3AABE6")
    )
    assert encryption == bytes.fromhex("C61E7A93744F39EE10734AFE3FF7A087")
    assert salt == bytes.fromhex("30CBBC08863D8C85D49DB34A9AE1 0000")
    assert authentication == bytes.fromhex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")


@pytest.mark.parametrize(
    ("key_bytes", "protected"),
    [
        (
            16,
            "f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833"
            "899d7f27 beb16a91 52cf765e e4390cce",
        ),
        (
            32,
            "32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b"
            "7aa3db36 dfffd6b0 f9bb7878 d7a76c13",
        ),
    ],
)
def test_srtp_of_gcm(key_bytes: int, protected: str) -> None:
    """RFC 7714 16.1.1 and 16.2.1."""
    row = probe.packet_iv(gcm_row(SALT_GCM), RTP_HEADER[8:12], 0xF17B)
    assert row[2:14] == bytes.fromhex("51753c65 80c2726f 20718414")
    assert probe.gcm_seal(KEYS[key_bytes], row, RTP_HEADER, RTP_PAYLOAD) == bytes.fromhex(protected)


@pytest.mark.parametrize(
    ("key_bytes", "protected"),
    [
        (
            16,
            "63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded"
            "0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade",
        ),
        (
            32,
            "d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be 8415f658 c61de047"
            "6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be",
        ),
    ],
)
def test_srtcp_of_gcm(key_bytes: int, protected: str) -> None:
    """RFC 7714 17.1 and 17.3."""
    row = probe.packet_iv(gcm_row(SALT_GCM), RTCP_HEADER[4:], RTCP_INDEX)
    assert row[2:14] == bytes.fromhex("51752405 5203726f 207170bb")
    aad = RTCP_HEADER + (1 << 31 | RTCP_INDEX).to_bytes(4)
    assert probe.gcm_seal(KEYS[key_bytes], row, aad, RTCP_BODY) == bytes.fromhex(protected)
