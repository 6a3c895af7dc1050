"""The Merkle tree of RFC 9162, section 2.1, over raw bytes: roots, inclusion and consistency proofs, and their verification.

Hashes are SHA-256, 32 bytes. A perfect subtree is named by its level (0: a leaf) and its index on that level, from the left; it
covers the leaves ``index << level`` up to ``(index + 1) << level``. Proofs are lists of hashes from the leaf upwards, as in the RFC.

The functions that verify answer False for whatever is no proof, wrong types, lengths and sizes included, and never raise. All
others raise ``ValueError``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

HASH_SIZE = 32  # bytes
LARGEST_TREE = (1 << 64) - 1  # leaves; uint64 in RFC 9162
STORED_LEVELS = (
    8,
    16,
    24,
    32,
)  # perfect subtrees of 256 each are worth keeping; the levels between are computed from them
EMPTY_ROOT = hashlib.sha256().digest()

Subtree = Callable[[int, int], bytes]
"""(level, index) → hash of that perfect subtree."""
ReadRow = Callable[[int, int, int], Sequence[bytes]]
"""(level, first index, count) → the hashes at that stored level from ``first`` on, at most ``count``, fewer at the tree's end."""


class Node(NamedTuple):
    """The place of a perfect subtree: its level, and ``at``, its index on that level."""

    level: int
    at: int


class Completed(NamedTuple):
    """A perfect subtree at one of ``STORED_LEVELS`` that has become complete: its place as in ``Node``, and its hash."""

    level: int
    at: int
    hash: bytes


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 ‖ entry) of RFC 9162, section 2.1.1."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right) of RFC 9162, section 2.1.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaf_hashes: Iterable[bytes]) -> bytes:
    """The Merkle Tree Hash over leaf hashes in order; of none, SHA-256 of nothing."""
    tree = CompactRange()
    tree.extend(leaf_hashes)
    return tree.root()


def root_at(tree_size: int, subtree: Subtree) -> bytes:
    """The root of the first ``tree_size`` leaves, from perfect subtrees.

    Raises:
        ValueError: the size is negative or above ``LARGEST_TREE``.
    """
    _check_size(tree_size)
    return EMPTY_ROOT if tree_size == 0 else _span_hash(0, tree_size, subtree)


def inclusion_proof(leaf_index: int, tree_size: int, subtree: Subtree) -> list[bytes]:
    """PATH(m, D[n]) of RFC 9162, section 2.1.3.1: the proof that leaf ``leaf_index`` is in the tree of ``tree_size`` leaves.

    Raises:
        ValueError: there is no such leaf in a tree of that size.
    """
    _check_size(tree_size)
    if not 0 <= leaf_index < tree_size:
        raise ValueError(f"there is no leaf {leaf_index} in a tree of {tree_size}")
    proof = []
    begin, end = 0, tree_size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if leaf_index < middle:
            proof.append(_span_hash(middle, end, subtree))
            end = middle
        else:
            proof.append(_span_hash(begin, middle, subtree))
            begin = middle
    return proof[::-1]


def consistency_proof(first_size: int, second_size: int, subtree: Subtree) -> list[bytes]:
    """PROOF(m, D[n]) of RFC 9162, section 2.1.4.1: the proof that the first tree is the beginning of the second.

    It is empty for equal sizes and for an empty first tree, of which there is nothing to prove.

    Raises:
        ValueError: the first tree is larger than the second, or a size is none.
    """
    _check_size(first_size)
    _check_size(second_size)
    if first_size > second_size:
        raise ValueError(f"a tree of {first_size} is not the beginning of one of {second_size}")
    if first_size in {0, second_size}:
        return []
    proof = []
    begin, end = 0, second_size
    while first_size < end:
        middle = begin + _split(end - begin)
        if first_size <= middle:
            proof.append(_span_hash(middle, end, subtree))
            end = middle
        else:
            proof.append(_span_hash(begin, middle, subtree))
            begin = middle
    if begin:  # else the whole first tree is one perfect subtree, and its root is known to whoever verifies
        proof.append(_span_hash(begin, end, subtree))
    return proof[::-1]


def verify_inclusion(leaf_index: int, tree_size: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof leads from the leaf hash to the root, after RFC 9162, section 2.1.3.2. False for whatever is no proof.

    As everywhere with RFC 9162, the size of the tree must come from the same signed statement as the root.
    """
    if not (_is_size(leaf_index) and _is_size(tree_size) and leaf_index < tree_size):
        return False
    hashes = _hashes(proof)
    if hashes is None or not (_is_hash(leaf_hash) and _is_hash(root)):
        return False
    place, last, seen = leaf_index, tree_size - 1, leaf_hash
    for sibling in hashes:
        if last == 0:
            return False
        if place & 1 or place == last:
            seen = node_hash(sibling, seen)
            while place and not place & 1:  # a right border without a sibling on these levels
                place, last = place >> 1, last >> 1
        else:
            seen = node_hash(seen, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and seen == root


def verify_consistency(
    first_size: int, second_size: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether the proof shows the first tree to be the beginning of the second, after RFC 9162, section 2.1.4.2.

    Outside of what the RFC defines it follows transparency-dev/merkle: equal sizes need an empty proof and equal roots, and an
    empty first tree proves nothing, so False. False for whatever is no proof.
    """
    hashes = _hashes(proof)
    if hashes is None or not (_is_size(first_size) and _is_size(second_size)) or not 0 < first_size <= second_size:
        return False
    if first_size == second_size:
        return not hashes and isinstance(first_root, bytes) and first_root == second_root
    if not hashes or not (_is_hash(first_root) and _is_hash(second_root)):
        return False
    if first_size & (first_size - 1) == 0:  # a power of two: the first root is itself a node of the second tree
        hashes = [first_root, *hashes]
    place, last = first_size - 1, second_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and first == first_root and second == second_root


def cover(begin: int, end: int) -> Iterator[Node]:
    """The fewest perfect subtrees that cover the leaves from ``begin`` up to ``end``, from the left."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        yield Node(level, begin >> level)
        begin += 1 << level


def missing_nodes(leaf_indexes: Iterable[int], tree_size: int) -> Iterator[Node]:
    """What has to be known beside these leaves (strictly rising) to compute the root, from the left; nothing that follows from them.

    Raises:
        ValueError: the indexes do not rise, or lie outside of the tree.
    """
    _check_size(tree_size)
    position = 0
    for leaf_index in leaf_indexes:
        if not position <= leaf_index < tree_size:
            raise ValueError(f"leaf {leaf_index} does not rise or is not in a tree of {tree_size}")
        yield from cover(position, leaf_index)
        position = leaf_index + 1
    yield from cover(position, tree_size)


class CompactRange:
    """The growing tree as the few roots of its perfect subtrees, largest first: all that is needed to append and to know the root."""

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        """Go on from a tree of ``size`` leaves: the hashes of ``cover(0, size)``, in that order.

        Raises:
            ValueError: the size is none, or the hashes are not as many as it needs or of the wrong length.
        """
        _check_size(size)
        if len(hashes) != size.bit_count() or not all(map(_is_hash, hashes)):
            raise ValueError(
                f"a tree of {size} leaves has {size.bit_count()} perfect subtrees of {HASH_SIZE} bytes each"
            )
        self.size = size
        self.hashes = list(hashes)

    def extend(self, leaf_hashes: Iterable[bytes]) -> list[Completed]:
        """Append leaf hashes in order. Returns the perfect subtrees at ``STORED_LEVELS`` that became complete, from the left.

        Raises:
            ValueError: a hash is not of 32 bytes; those before it are in the tree.
        """
        completed = []
        for added in leaf_hashes:
            if len(added) != HASH_SIZE:
                raise ValueError(f"a leaf hash has {HASH_SIZE} bytes, not {len(added)}")
            seen, level, rest = added, 0, self.size
            while rest & 1:
                seen, level, rest = node_hash(self.hashes.pop(), seen), level + 1, rest >> 1
                if level in STORED_LEVELS:
                    completed.append(Completed(level, self.size >> level, seen))
            self.hashes.append(seen)
            self.size += 1
        return completed

    def root(self) -> bytes:
        """The root of the tree as it stands."""
        if not self.hashes:
            return EMPTY_ROOT
        *left, seen = self.hashes
        for hash_ in reversed(left):
            seen = node_hash(hash_, seen)
        return seen


class Tiles:
    """Perfect subtrees of any level, from leaves and the stored levels: rows of 256 hashes are read once and kept while in use.

    A proof reads one row for each eight levels. ``kept`` bounds the rows held in memory, each about 16 kB.
    """

    def __init__(self, read: ReadRow, *, kept: int = 64) -> None:
        self._read = read
        self._kept = kept
        self._rows: dict[tuple[int, int], list[list[bytes]]] = {}

    def __call__(self, level: int, index: int) -> bytes:
        """The hash of a perfect subtree.

        Raises:
            ValueError: it is not complete in what is stored.
        """
        step = level % 8 if level < STORED_LEVELS[-1] else level - STORED_LEVELS[-1]
        stored = level - step
        if step > 8:  # noqa: PLR2004 - above the highest stored level there is no row that holds it
            return node_hash(self(level - 1, 2 * index), self(level - 1, 2 * index + 1))
        row, within = divmod(index << step, 256)
        rows = self._row(stored, row)
        try:
            return rows[step][within >> step]
        except IndexError:
            raise ValueError(f"the subtree {index} of level {level} is not complete") from None

    def _row(self, stored: int, row: int) -> list[list[bytes]]:
        """The hashes of one row at its stored level and at the eight above it."""
        key = (stored, row)
        found = self._rows.pop(key, None)
        if found is None:
            levels = [list(self._read(stored, row * 256, 256))]
            while len(levels[-1]) > 1:
                below = levels[-1]
                levels.append([node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])
            found = levels + [[] for _ in range(9 - len(levels))]
            if len(self._rows) >= self._kept:
                del self._rows[next(iter(self._rows))]
        self._rows[key] = found
        return found


def in_memory(leaf_hashes: Sequence[bytes]) -> Tiles:
    """The perfect subtrees of a small tree whose leaf hashes are all at hand, such as that of the workflows."""
    tree = CompactRange()
    levels: dict[int, list[bytes]] = {0: list(leaf_hashes)}
    for level, _, hash_ in tree.extend(leaf_hashes):
        levels.setdefault(level, []).append(hash_)
    return Tiles(lambda level, first, count: levels.get(level, [])[first : first + count])


def _span_hash(begin: int, end: int, subtree: Subtree) -> bytes:
    """MTH of the leaves from ``begin`` up to ``end``, where ``begin`` is a multiple of the power of two not below their number."""
    *left, last = cover(begin, end)
    seen = subtree(*last)
    for node in reversed(left):
        seen = node_hash(subtree(*node), seen)
    return seen


def _split(size: int) -> int:
    """The largest power of two below ``size``, which is above 1."""
    return 1 << ((size - 1).bit_length() - 1)


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_TREE


def _is_hash(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == HASH_SIZE


def _hashes(proof: object) -> list[bytes] | None:
    """The proof as a list, or None where it is none."""
    if not isinstance(proof, list | tuple) or not all(map(_is_hash, proof)):
        return None
    return list(proof)


def _check_size(size: int) -> None:
    if not _is_size(size):
        raise ValueError(f"a tree has 0 to 2^64 - 1 leaves, not {size!r}")
