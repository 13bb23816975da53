"""Where the keys come from, and that they are never shown."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from shared.cloud.credentials import Credentials, KeyRing, MissingCredentials, from_invocation

ENVIRON = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "STS.env",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "env secret",
    "ALIBABA_CLOUD_SECURITY_TOKEN": "env token",
}
HELD = SimpleNamespace(access_key_id="STS.context", access_key_secret="context secret", security_token="context token")


@pytest.mark.parametrize(
    ("context", "environ", "expected"),
    [
        (SimpleNamespace(credentials=HELD), {}, Credentials("STS.context", "context secret", "context token")),
        (SimpleNamespace(credentials=HELD), ENVIRON, Credentials("STS.context", "context secret", "context token")),
        (SimpleNamespace(), ENVIRON, Credentials("STS.env", "env secret", "env token")),
        (SimpleNamespace(credentials=None), ENVIRON, Credentials("STS.env", "env secret", "env token")),
        (
            SimpleNamespace(),
            {"ALIBABA_CLOUD_ACCESS_KEY_ID": "AK", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "secret"},
            Credentials("AK", "secret"),
        ),
    ],
)
def test_keys_are_found_where_the_runtime_puts_them(
    context: object, environ: dict[str, str], expected: Credentials
) -> None:
    """On the context with Python 3.10, in the environment with 3.12, where the context has none."""
    assert expected == from_invocation(context, environ)


def test_keys_come_from_one_place() -> None:
    """A token of the environment does not belong to keys of the context."""
    held = SimpleNamespace(access_key_id="AK", access_key_secret="secret", security_token=None)
    assert Credentials("AK", "secret") == from_invocation(SimpleNamespace(credentials=held), ENVIRON)


@pytest.mark.parametrize(
    ("context", "environ"),
    [
        (SimpleNamespace(), {}),
        (SimpleNamespace(), {"ALIBABA_CLOUD_ACCESS_KEY_ID": "AK"}),
        (SimpleNamespace(credentials=SimpleNamespace(access_key_id="", access_key_secret="")), {}),
    ],
)
def test_a_function_without_a_role_is_told_so(context: object, environ: dict[str, str]) -> None:
    """The sentence says what to do in the template."""
    with pytest.raises(MissingCredentials, match="give the function a role"):
        from_invocation(context, environ)


def test_keys_are_never_printed() -> None:
    """Neither id nor secret nor token stands in what a log might show."""
    keys = Credentials("STS.id", "the secret", "the token")
    shown = f"{keys} {keys!r} {keys!s} {[keys]}"
    assert [] == [part for part in ("STS.id", "the secret", "the token") if part in shown]


def test_a_ring_holds_the_keys_of_the_current_invocation() -> None:
    """The newest ones count, and before the first there are none."""
    ring = KeyRing()
    with pytest.raises(MissingCredentials):
        ring.current()
    ring.use(lambda: Credentials("first", "secret"))
    ring.use(lambda: Credentials("second", "secret"))
    assert "second" == ring.current().access_key_id


def test_a_ring_looks_again_when_keys_have_expired() -> None:
    """Where the runtime has put new keys in place of the old ones, they are taken over; else it says so."""
    runtime = [Credentials("first", "secret")]
    ring = KeyRing()
    ring.use(lambda: runtime[-1])
    assert not ring.renew()
    runtime.append(Credentials("second", "secret"))
    assert ring.renew()
    assert "second" == ring.current().access_key_id
    assert not ring.renew()


def test_keys_that_were_given_cannot_be_renewed() -> None:
    """A program of an operator has its keys once and for all."""
    ring = KeyRing(Credentials("given", "secret"))
    assert not ring.renew()
    assert "given" == ring.current().access_key_id


def test_secrets_are_those_of_now_and_of_before() -> None:
    """A late answer may still name the keys of the invocation before; older ones are forgotten."""
    ring = KeyRing()
    assert () == ring.secrets()
    for name in "abc":
        ring.use(lambda name=name: Credentials(f"{name}-id", f"{name}-secret", f"{name}-token"))  # type: ignore[misc]
    assert {f"{name}-{part}" for name in "bc" for part in ("id", "secret", "token")} == set(ring.secrets())
    assert ("secret", "id") == KeyRing(Credentials("id", "secret")).secrets()


def test_renewed_keys_leave_the_old_ones_secret() -> None:
    """Keys that the runtime has replaced are still not to be told."""
    runtime = iter([Credentials("old-id", "old"), Credentials("new-id", "new")])
    ring = KeyRing()
    ring.use(lambda: next(runtime))
    assert ring.renew()
    assert {"old-id", "old", "new-id", "new"} == set(ring.secrets())
