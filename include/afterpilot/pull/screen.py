r"""Which of many lines may hold something personal: all at once, by one automaton that takes a nanosecond or two a byte.

It is wider than :func:`afterpilot.pull.patterns.masked`, never narrower: what that would mask is suspect here. It reads lines of
COPY's text format that hold JSON, where a newline of a text is written ``\\n``.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from itertools import accumulate

from afterpilot.pull import national_ids, patterns, phones

_DIGIT = r"\p{Nd}"
_AROUND = re.compile(r"\(\?<?[!=](?:\[[^]]*]|\\.|[^()\\])*\)")  # what looks around a match: automata cannot
_BREAK = r"\\\\+(?:[nrtbf\"]|u....)"  # a control or quotation mark, in JSON within a line, or in JSON within that
# Any number of signs between, here and below: an automaton that counts grows beyond what is fast.
_RUN = r"\d(?:[ ().\-/]*\d){5}"
_ESCAPED = r"\\\\+u...."  # a letter beyond ASCII, as JSON within a line may write it
_SAYS = rf"\.?(?:[ :#=\"'is]|{_BREAK})*"  # wider than national_ids.SAYS


def _written(labels: str) -> str:
    """The same labels, each letter beyond ASCII as it is or escaped."""
    return re.sub(r"\[[^]]*[^\x00-\x7f][^]]*]|[^\x00-\x7f]", lambda one: f"(?:{one[0]}|{_ESCAPED})", labels)


_PHONE = rf"(?:{_written(phones.LABEL)})\.?(?:[ _]?(?:no|nr|number)\.?)?"
_NAMED = rf"(?:{_written(national_ids.LABELS.replace(' ', '[ _]'))})"
_ALIKE = patterns.ALIKE.replace("-\u2013", "-\u2012")
_SUSPECT = (
    "@",
    # What is read as a blank, a hyphen, @ or +; sentences are full of dashes, so of these such as may be part of a number.
    f"[{_ALIKE}]",
    "[\\d)] ?\u2013|\u2013 ?[\\d(]|[A-Za-z]\u2013[A-Za-z]",
    r"(?i:\\\\+u(?:00[2-7a].|0[6-9ef]..|1[0789abc]..|20[0-6].|2212|3000|a[6-9ab]..|ff..|d8(?:[0-2].|3[0-bef])))",  # or digit, escaped
    r"\+[1-9](?:[ ()./-]*\d){6}",
    rf"(?:[^\d]|{_BREAK})00[1-9]\d{{0,2}}[ ()./-]+\d(?:[ ()./-]*\d){{4}}",
    r"\(0?\d{2,4}\) ?\d{3}",
    r"\d{13}|\d{4}[ .-]\d{4}[ .-]\d{4}[ .-]\d|\d{4}[ -]\d{6}[ -]\d{4}",  # cards
    r"[A-Z]{2} ?\d{2}(?:[ -]?[A-Z0-9]){11}",  # accounts
    r"(?i:[a-z]{2}\d{2}(?:[ -]?[a-z0-9]{4}){2}[ -]?[a-z0-9]{3})",  # and such in small letters
    *(_AROUND.sub("", shape) for shape, _ in national_ids.SHAPES),
    rf"(?i:(?:^|[^A-Za-z0-9]|{_BREAK})(?:{_PHONE}|{_NAMED}){_SAYS}[+(]?{_RUN})",
)
PATTERN = "|".join(_SUSPECT).replace(r"\d", _DIGIT)
BUT_ADDRESSES = "|".join(_SUSPECT[1:]).replace(r"\d", _DIGIT)  # all else, so that a mail's address costs little


def suspects(lines: Sequence[bytes], pattern: str = PATTERN) -> list[int]:
    """The places of the lines (UTF-8) that have to be read for something personal, or for what ``pattern`` is wide enough for."""
    import pyarrow as pa  # a third of a second
    import pyarrow.compute as pc

    # Not pa.array: that loads pandas, which takes a second.
    ends = array("i", accumulate(map(len, lines), initial=0))
    texts = pa.StringArray.from_buffers(len(lines), pa.py_buffer(ends), pa.py_buffer(b"".join(lines)))
    found: list[int] = pc.indices_nonzero(pc.match_substring_regex(texts, pattern)).to_pylist()
    return found
