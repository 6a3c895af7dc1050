"""Who offers a model, by the public price list."""

from __future__ import annotations

import functools

_MOST_KNOWN = 10_000


@functools.lru_cache(_MOST_KNOWN)
def provider_name(model: str, provider: str = "") -> str:
    """The provider's name as people write it: of the one that a call named, else of the first that the price list has the model
    of; the word itself where the list knows neither, and empty where there is none.
    """
    from genai_prices.data_snapshot import get_snapshot  # a tenth of a second

    word = provider.strip()
    for who in ((word.lower(),) if word else ()) + (None,):
        try:
            found, _ = get_snapshot().find_provider_model(model, None, who, None)
        except LookupError:
            continue
        return str(found.name) if who is not None or not word else word
    return word
