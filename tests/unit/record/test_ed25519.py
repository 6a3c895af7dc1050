"""The verifier's own Ed25519: the vectors of RFC 8032, the same answers as OpenSSL, and nothing that is not canonical."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpilot.record.bundle.verifier import signed

ORDER = 2**252 + 27742317777372353535851937790883648493

# Public key, message, signature: RFC 8032, section 7.1, tests 1 to 3 and SHA(abc).
RFC_8032 = {
    "test 1": (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    "test 2": (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    "test 3": (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    "test SHA(abc)": (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
}


@pytest.mark.parametrize("vector", RFC_8032.values(), ids=RFC_8032.keys())
def test_the_vectors_of_the_rfc_are_verified(vector):
    """What RFC 8032 signs is signed, and is not once the message differs."""
    key, message, signature = map(bytes.fromhex, vector)
    assert signed(key, message, signature)
    assert not signed(key, message + b"\x00", signature)


@settings(max_examples=15, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100), st.integers(0, 96 * 8 - 1))
def test_answers_are_those_of_openssl(seed, message, bit):
    """A true signature, and one with a bit flipped anywhere in it or in the key, are judged as OpenSSL judges them."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    whole = private.public_key().public_bytes_raw() + private.sign(message)
    assert signed(whole[:32], message, whole[32:])
    flipped = (int.from_bytes(whole, "little") ^ 1 << bit).to_bytes(96, "little")
    try:
        Ed25519PublicKey.from_public_bytes(flipped[:32]).verify(flipped[32:], message)
        theirs = True
    except (InvalidSignature, ValueError):
        theirs = False
    assert signed(flipped[:32], message, flipped[32:]) is theirs


def test_a_scalar_beyond_the_order_is_refused():
    """The same signature with the group's order added to its scalar would verify; it is not the canonical one."""
    key, message, signature = (bytes.fromhex(one) for one in RFC_8032["test 3"])
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    assert not signed(key, message, signature[:32] + scalar.to_bytes(32, "little"))


@pytest.mark.parametrize(
    "key",
    [
        bytes([1, *bytes(31)]),  # the neutral element
        bytes(32),  # of order 4
        (2**255 - 20).to_bytes(32, "little"),  # of order 2
        bytes([1, *bytes(30), 0x80]),  # x = 0 with the sign of a negative
        (2**255 - 19).to_bytes(32, "little"),  # y beyond the field
        (2).to_bytes(32, "little"),  # on no point
        bytes(31),
        b"",
    ],
)
def test_weak_and_malformed_keys_sign_nothing(key):
    """A key of small order would sign anything with the neutral element and scalar zero; others are no keys at all."""
    assert not signed(key, b"anything", bytes([1, *bytes(63)]))
    assert not signed(key, b"anything", bytes(64))


def test_a_signature_of_another_length_is_none():
    """Neither a shorter nor a longer signature is one."""
    key, message, signature = (bytes.fromhex(one) for one in RFC_8032["test 2"])
    assert not signed(key, message, signature[:-1])
    assert not signed(key, message, signature + b"\x00")
