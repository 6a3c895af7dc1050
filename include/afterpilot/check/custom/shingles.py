"""How alike two texts are: the share of five-word runs that they have in common, exactly and by MinHash."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

WORDS = 5
PERMUTATIONS = 128

Shingles = NDArray[np.uint32]

_WORD = re.compile(r"\w+")


def shingles(text: str) -> Shingles:
    """The different runs of five words of a text, hashed to 32 bits and sorted; case and punctuation do not matter. A text of
    fewer words is one run (A. Broder, 1997, On the resemblance and containment of documents).
    """
    words = _WORD.findall(text.casefold())
    runs = (
        {" ".join(words[start : start + WORDS]) for start in range(max(1, len(words) - WORDS + 1))} if words else set()
    )
    hashed = [int.from_bytes(hashlib.blake2b(run.encode("utf-8", "replace"), digest_size=4).digest()) for run in runs]
    return np.unique(np.asarray(hashed, dtype=np.uint32))


def jaccard(one: Shingles, other: Shingles) -> float:
    """The share of all their runs that both have, 0 to 1; 1 for two without any."""
    both = int(np.intersect1d(one, other, assume_unique=True).size)
    total = int(one.size + other.size) - both
    return both / total if total else 1.0


def minhash(found: Shingles) -> Any:  # noqa: ANN401 - datasketch's
    """The MinHash of a text's runs, over 128 permutations: the share of equal places estimates the Jaccard similarity with a
    standard error of at most 0.044.
    """
    from datasketch import MinHash  # half a second with what it needs

    sketch = MinHash(num_perm=PERMUTATIONS, hashfunc=int)
    sketch.update_batch(found.tolist())
    return sketch
