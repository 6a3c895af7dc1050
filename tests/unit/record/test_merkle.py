"""The Merkle tree of RFC 9162: public vectors, the RFC's recursive definitions, and what is no proof."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.record import merkle

VECTORS = json.loads((Path(__file__).parents[2] / "golden" / "merkle" / "vectors.json").read_text())

# The leaves and the roots of the first 0 to 8 of them, as the test of Certificate Transparency (RFC 6962) has them.
LEAVES = [
    bytes.fromhex(one)
    for one in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def mth(entries):
    """MTH(D[n]) word for word from RFC 9162, section 2.1.1."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = half(len(entries))
    return hashlib.sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:])).digest()


def path(m, entries):
    """PATH(m, D[n]) from RFC 9162, section 2.1.3.1."""
    if len(entries) == 1:
        return []
    k = half(len(entries))
    if m < k:
        return [*path(m, entries[:k]), mth(entries[k:])]
    return [*path(m - k, entries[k:]), mth(entries[:k])]


def subproof(m, entries, whole):
    """SUBPROOF(m, D[n], b) from RFC 9162, section 2.1.4.1."""
    if m == len(entries):
        return [] if whole else [mth(entries)]
    k = half(len(entries))
    if m <= k:
        return [*subproof(m, entries[:k], whole), mth(entries[k:])]
    return [*subproof(m - k, entries[k:], False), mth(entries[:k])]


def half(n):
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def leaves(count):
    return [merkle.leaf_hash(b"entry %d" % at) for at in range(count)]


entry_lists = st.lists(st.binary(max_size=40), min_size=1, max_size=300)


@pytest.mark.parametrize("vector", VECTORS["inclusion"], ids=lambda one: f"{one['file']}-{one['desc']}")
def test_inclusion_proofs_are_judged_as_transparency_dev_judges_them(vector):
    """Each public vector of an inclusion proof is verified or refused as it says."""
    proof = [b64decode(one) for one in vector["proof"]]
    found = merkle.verify_inclusion(
        vector["leafIdx"], vector["treeSize"], b64decode(vector["leafHash"]), proof, b64decode(vector["root"])
    )
    assert found is not vector["wantErr"]


@pytest.mark.parametrize("vector", VECTORS["consistency"], ids=lambda one: f"{one['file']}-{one['desc']}")
def test_consistency_proofs_are_judged_as_transparency_dev_judges_them(vector):
    """Each public vector of a consistency proof is verified or refused as it says."""
    proof = [b64decode(one) for one in vector["proof"]]
    found = merkle.verify_consistency(
        vector["size1"], vector["size2"], b64decode(vector["root1"]), b64decode(vector["root2"]), proof
    )
    assert found is not vector["wantErr"]


def test_the_public_vectors_are_all_there():
    """A shortened file of vectors would pass unseen."""
    assert (len(VECTORS["inclusion"]), len(VECTORS["consistency"])) == (98, 98)


@pytest.mark.parametrize("size", range(9))
def test_the_roots_of_rfc_6962_come_out(size):
    """The roots of the first eight known leaves are those that Certificate Transparency publishes."""
    assert merkle.root(map(merkle.leaf_hash, LEAVES[:size])).hex() == ROOTS[size]


@given(entry_lists, st.data())
def test_proofs_are_those_of_the_rfc_and_verify(entries, data):
    """Roots and both proofs equal the recursive definitions of the RFC, and are verified."""
    hashes = [merkle.leaf_hash(entry) for entry in entries]
    subtree, size = merkle.in_memory(hashes), len(entries)
    index = data.draw(st.integers(0, size - 1))
    first = data.draw(st.integers(1, size))
    root, inclusion = mth(entries), merkle.inclusion_proof(index, size, subtree)
    consistency = merkle.consistency_proof(first, size, subtree)
    assert merkle.root(hashes) == merkle.root_at(size, subtree) == root
    assert inclusion == path(index, entries)
    assert consistency == subproof(first, entries, True)
    assert merkle.verify_inclusion(index, size, hashes[index], inclusion, root)
    assert merkle.verify_consistency(first, size, mth(entries[:first]), root, consistency)


@given(st.integers(1, 200), st.data())
def test_a_changed_proof_is_refused(size, data):
    """One flipped bit anywhere in leaf, proof or root, and one hash more or less, make a proof false."""
    hashes = leaves(size)
    index = data.draw(st.integers(0, size - 1))
    whole = [hashes[index], *merkle.inclusion_proof(index, size, merkle.in_memory(hashes)), merkle.root(hashes)]
    at, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 255))
    changed = [*whole[:at], (int.from_bytes(whole[at]) ^ 1 << bit).to_bytes(32), *whole[at + 1 :]]
    assert not merkle.verify_inclusion(index, size, changed[0], changed[1:-1], changed[-1])
    assert not merkle.verify_inclusion(index, size, whole[0], [*whole[1:-1], whole[at]], whole[-1])
    assert not whole[1:-1] or not merkle.verify_inclusion(index, size, whole[0], whole[2:-1], whole[-1])


@given(st.integers(1, 600), st.lists(st.integers(0, 300), max_size=6))
def test_a_growing_tree_has_the_same_root_however_it_grows(total, cuts):
    """Leaves added in any portions, also by another process that knows only the compact range, give one root."""
    hashes, tree, done = leaves(total), merkle.CompactRange(), 0
    for cut in cuts:
        tree.extend(hashes[done : done + cut])
        done = min(done + cut, total)
        tree = merkle.CompactRange(tree.size, tree.hashes)
        assert tree.root() == merkle.root(hashes[:done])
    tree.extend(hashes[done:])
    assert (tree.size, tree.root()) == (total, merkle.root(hashes))


def test_complete_subtrees_at_the_stored_levels_are_told_once_each():
    """65,600 leaves complete 256 subtrees of 256 and one of 65,536, wherever the portions end."""
    hashes = leaves(65_600)
    tree = merkle.CompactRange()
    told = [one for at in range(0, len(hashes), 1000) for one in tree.extend(hashes[at : at + 1000])]
    subtree = merkle.in_memory(hashes)
    assert [(one.level, one.at) for one in told if one.level == 16] == [(16, 0)]
    assert [one.at for one in told if one.level == 8] == list(range(256))
    assert all(one.hash == subtree(one.level, one.at) for one in told)
    assert subtree(16, 0) == merkle.root(hashes[:65536])
    assert subtree(12, 3) == merkle.root(hashes[12288:16384])


def test_a_proof_reads_one_row_for_eight_levels():
    """An inclusion proof in 10,000 leaves asks the store for a handful of rows, not for each hash."""
    hashes, tree = leaves(10_000), merkle.CompactRange()
    stored = {8: []}
    for level, _, hash_ in tree.extend(hashes):
        stored[level].append(hash_)
    reads = []

    def read(level, first, count):
        reads.append((level, first))
        return ({0: hashes} | stored)[level][first : first + count]

    proof = merkle.inclusion_proof(7_777, 10_000, merkle.Tiles(read))
    assert merkle.verify_inclusion(7_777, 10_000, hashes[7_777], proof, tree.root())
    assert len(reads) == len(set(reads)) <= 4


def test_a_subtree_that_is_not_complete_is_refused():
    """What the tree does not hold yet is an error, not a wrong hash."""
    subtree = merkle.in_memory(leaves(300))
    with pytest.raises(ValueError, match="not complete"):
        subtree(8, 1)
    with pytest.raises(ValueError, match="not complete"):
        subtree(0, 300)


@given(st.integers(1, 400), st.data())
def test_missing_nodes_are_just_enough_for_the_root(size, data):
    """The leaves and the nodes that are missing cover the tree once, and no two missing nodes follow from one another."""
    chosen = sorted(data.draw(st.sets(st.integers(0, size - 1))))
    nodes = list(merkle.missing_nodes(chosen, size))
    covered = [at for level, index in nodes for at in range(index << level, (index + 1) << level)]
    assert sorted([*covered, *chosen]) == list(range(size))
    assert not {(level, index ^ 1) for level, index in nodes} & set(nodes)


NO_PROOFS = {
    "a negative index": (-1, 1, bytes(32), [], bytes(32)),
    "a negative size": (0, -1, bytes(32), [], bytes(32)),
    "an empty tree": (0, 0, bytes(32), [], bytes(32)),
    "a truth value for an index": (False, 1, bytes(32), [], bytes(32)),
    "a size that is no whole number": (0, 1.0, bytes(32), [], bytes(32)),
    "a size beyond 64 bits": (0, 1 << 64, bytes(32), [bytes(32)] * 64, bytes(32)),
    "a short leaf": (0, 1, bytes(31), [], bytes(31)),
    "text for a leaf": (0, 1, "a" * 32, [], "a" * 32),
    "text in the proof": (0, 2, bytes(32), ["a" * 32], bytes(32)),
    "no list": (0, 1, bytes(32), None, bytes(32)),
}


@pytest.mark.parametrize("arguments", NO_PROOFS.values(), ids=NO_PROOFS.keys())
def test_what_is_no_inclusion_proof_is_false(arguments):
    """Wrong types, sizes and lengths are false, and never an error."""
    assert merkle.verify_inclusion(*arguments) is False


@pytest.mark.parametrize(
    "arguments",
    [
        (-1, 1, bytes(32), bytes(32), []),
        (True, True, bytes(32), bytes(32), []),
        (1, 2, bytes(31), bytes(32), [bytes(32)]),
        (1, 2, bytes(32), bytes(32), "no proof"),
        (1, 2, None, None, [bytes(32)]),
        (1, 1, None, None, []),
        (0, 0, merkle.EMPTY_ROOT, merkle.EMPTY_ROOT, []),
    ],
)
def test_what_is_no_consistency_proof_is_false(arguments):
    """Wrong types, sizes and lengths are false, and so is anything about an empty first tree."""
    assert merkle.verify_consistency(*arguments) is False


@pytest.mark.parametrize(
    "build",
    [
        lambda subtree: merkle.inclusion_proof(5, 5, subtree),
        lambda subtree: merkle.inclusion_proof(-1, 5, subtree),
        lambda subtree: merkle.consistency_proof(6, 5, subtree),
        lambda subtree: merkle.root_at(-1, subtree),
        lambda _: merkle.CompactRange(3, [bytes(32)]),
        lambda _: merkle.CompactRange().extend([b"short"]),
        lambda _: list(merkle.missing_nodes([3, 3], 5)),
        lambda _: list(merkle.missing_nodes([5], 5)),
    ],
)
def test_proofs_of_what_is_not_there_cannot_be_built(build):
    """Building a proof of what the tree does not hold is a ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 - each has a text of its own
        build(merkle.in_memory(leaves(5)))


def test_nothing_to_prove_is_an_empty_proof():
    """Of an empty first tree, and of the same tree, the proof is empty."""
    subtree = merkle.in_memory(leaves(5))
    assert merkle.consistency_proof(0, 5, subtree) == merkle.consistency_proof(5, 5, subtree) == []
