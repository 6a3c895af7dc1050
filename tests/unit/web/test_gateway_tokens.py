"""The tokens of gateways: only hashes are known, some for one workflow alone."""

from __future__ import annotations

import pytest

from afterpilot.domain.errors import ConfigurationError
from afterpilot.web.api.tokens import GatewayTokens, hash_of, new_token


def test_a_token_is_known_by_its_hash() -> None:
    """The token opens; its hash, another one and nothing do not."""
    token = new_token()
    tokens = GatewayTokens.parse(hash_of(token))
    assert tokens.allow(token, "any") is True
    assert [tokens.allow(other, "any") for other in (hash_of(token), new_token(), "")] == [None, None, None]


def test_a_token_for_some_workflows() -> None:
    """It opens those that name it, and is known for the others."""
    tokens = GatewayTokens.parse(f"a:{hash_of('t')},b:{hash_of('t')} , {hash_of('all')},")
    assert [tokens.allow("t", name) for name in ("a", "b", "c")] == [True, True, False]
    assert tokens.allow("all", "c") is True


@pytest.mark.parametrize(
    "text", ["apg_the-token-itself", hash_of("t").upper(), f"{hash_of('t')},x", f"a:b:{hash_of('t')}"]
)
def test_what_is_no_hash_is_refused_without_being_told(text: str) -> None:
    """It may be a token that was set by mistake."""
    with pytest.raises(ConfigurationError, match="AFTERPILOT_GATEWAY_TOKENS: entry") as caught:
        GatewayTokens.parse(text)
    assert text not in str(caught.value)


def test_nothing_set_lets_nobody_in() -> None:
    """No hash, no token."""
    assert GatewayTokens.parse(" , ").hashes == ()
    assert GatewayTokens().allow("", "any") is None
