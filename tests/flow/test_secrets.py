"""Nothing that holds a key leaves the functions, and texts from outside are cut: whatever a service echoes."""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import quote

import pytest

from scripts.localcloud.answers import Answer, redirect
from scripts.localcloud.cdn.answers import rule as cdn_rule
from scripts.localcloud.cdn.limits import Limits
from scripts.localcloud.cloud import Options
from scripts.localcloud.fc.run import Credentials
from scripts.localcloud.oss.answers import rule as oss_rule
from scripts.localcloud.sls.answers import rule as sls_rule
from shared.core.foreign import TEXT_CHARACTERS_MAX
from tests.flow.world import LATENCIES, World
from tests.strategies import make_task

REFRESH = "RefreshObjectCaches"
TOKEN = "CAISsecret+token/of-a/session==with-more-than-thirty-characters"
SECRET = "TheSecretOfTheRole0123456789"
CODES = ("SignatureDoesNotMatch", "InvalidObjectPath.Malformed", "ServiceBusy", "InternalError", "Throttling.User")
SPELLED: dict[str, Callable[[str], str]] = {"plain": str, "percent": lambda text: quote(text, safe="")}


def _world(limits: Limits | None = None) -> World:
    """Make a world whose role has a long secret and token, as the vendor's have."""
    world = World(options=Options(limits=limits or Limits(), latencies=LATENCIES))
    role = Credentials("STS.NVrole0123456789", SECRET, TOKEN)
    world.cloud.keys[role.access_key_id] = role.access_key_secret
    world.cloud.cdn.tokens[role.access_key_id] = role.security_token  # the services of an account share them
    world.cloud.role = role
    world.instance = world.new_instance()
    return world


def _echo(spell: Callable[[str], str] = str) -> str:
    """What a gateway says where it echoes the request that it has signed."""
    return (
        "Specified signature is not matched with our calculation. server string to sign is:ACS3-HMAC-SHA256 POST / "
        f"x-acs-security-token:{spell(TOKEN)} secret {spell(SECRET)} Credential=STS.NVrole0123456789,Signature=0123abcd"
    )


def _leaks(world: World) -> list[str]:
    told = world.everything()
    coded = [base64.b64encode(text.encode()).decode()[:-4] for text in (TOKEN, SECRET)]
    secrets = [TOKEN, SECRET, quote(TOKEN, safe=""), TOKEN[8:40], *coded, "STS.NVrole0123456789"]
    return [secret for secret in secrets if secret in told]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("spelled", SPELLED)
def test_what_the_cdn_echoes_is_told_without_keys(code: str, spelled: str) -> None:
    """Its words reach the log, the outcome log, the status and the notes; keys, tokens and signatures do not."""
    world = _world()
    echo = Answer(code, 400, message=_echo(SPELLED[spelled]))
    world.cloud.cdn.answers.append(cdn_rule(echo))
    world.limited_deliver([world.put(f"{number}.html") for number in range(3)])
    world.limited_minutes(12)
    assert code in world.everything()
    assert [] == _leaks(world)
    world.cloud.cdn.answers.clear()
    world.limited_minutes(12)
    assert [] == _leaks(world)


def test_what_oss_and_the_log_service_echo_is_told_without_keys() -> None:
    """The same of the other two services, which are told the same token."""
    world = _world()
    world.limited_deliver(world.put("a.html"))
    world.cloud.sls.answers.append(sls_rule(Answer("SignatureNotMatch", 403, message=_echo())))
    world.limited_minutes(2)
    world.cloud.oss.answers.append(oss_rule(Answer("AccessDenied", 403, message=_echo())))
    with pytest.raises(Exception, match="AccessDenied"):
        world.deliver(world.put("b.html"))
    with pytest.raises(Exception, match="AccessDenied"):
        world.tick()
    world.cloud.oss.answers.clear()
    world.cloud.sls.answers.clear()
    world.limited_minutes(2)
    assert [] == _leaks(world)


def test_a_redirected_write_is_no_write() -> None:
    """Somebody answers the note with a redirect: the event is not acknowledged, and comes again."""
    world = _world()
    for status in (301, 302, 303, 307, 308):
        world.cloud.oss.answers.append(oss_rule(redirect("http://elsewhere.example.org", status), methods=["PUT"]))
        with pytest.raises(Exception, match=r"(?i)redirect"):
            world.deliver(world.put("a.html"))
        world.cloud.oss.answers.clear()
    assert [] == world.submitted_urls() + world.spool("waiting/")
    assert [] == _leaks(world)


@pytest.mark.parametrize("code", ["InvalidObjectPath.Malformed", "ServiceBusy", "NobodyKnows", "InsufficientBalance"])
def test_a_long_echo_is_cut_where_it_comes_in(code: str) -> None:
    """A refusal that echoes 60 kB, for hundreds of tasks: no record or note grows by more than a sentence."""
    world = _world()
    world.cloud.cdn.answers.append(cdn_rule(Answer(code, 400, message="x" * 60_000), operations=[REFRESH]))
    world.wait(make_task(f"https://static.example.com/{number}.html", time=world.clock.now()) for number in range(300))
    world.limited_minutes(8)
    stored = [world.cloud.oss.read(world.options.spool_bucket, key) for key in world.cloud.oss.keys("refresh-spool")]
    assert sum(len(each.data) for each in stored if each is not None) <= 300 * 1_500 + 100_000
    lengths = [len(record.get("message", "")) for record in world.outcomes() if record["result"] != "report"]
    assert max(lengths, default=0) <= (TEXT_CHARACTERS_MAX + 50)
    assert "x" * (TEXT_CHARACTERS_MAX * 3) not in world.everything()


ODD = {
    "escape": "\x1b[31mred",
    "override": "a\u202egpj.exe",
    "separator": "a\u2028b",
    "next line": "a\x85b",
    "nul": "a\x00b",
}


@pytest.mark.parametrize("name", ODD)
def test_odd_characters_are_escaped_where_people_read(name: str) -> None:
    """A key with such a character is data: it is refreshed as it is, and the functions' log shows it escaped."""
    world = _world(Limits(url_max_chars=20))
    key = ODD[name] + ".html"
    world.limited_deliver(world.put(key))
    world.limited_minutes(1)
    printed = world.log.getvalue()
    assert not {character for character in printed if character != "\n" and not character.isprintable()}
    spellings = 2 if "[" in key else 1  # raw as browsers send it, and as %5B
    assert [key] * spellings == [piece["task"]["cause"]["key"] for piece in world.pieces()]
