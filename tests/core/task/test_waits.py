"""Why tasks wait: each reason is a folder of the spool, and a folder is a reason or none of ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.task.waits import (
    BACKOFF,
    READY,
    REFRESH,
    Wait,
    Why,
    minute_of_domain,
    quota_of,
    trouble_of,
    wait_of,
)
from tests import strategies


@given(strategies.waits())
def test_a_reason_comes_back_from_its_folder(wait: Wait) -> None:
    """Nothing is written where it could not be found again."""
    assert wait == wait_of(wait.slot)
    assert "/" not in wait.slot


@pytest.mark.parametrize(
    ("wait", "slot"),
    [
        (READY, "0-ready"),
        (BACKOFF, "backoff"),
        (REFRESH, "refresh"),
        (quota_of("url"), "quota+url"),
        (quota_of("ignore-params"), "quota+ignore-params"),
        (minute_of_domain("url", "a.example.com"), "minute+url+a.example.com"),
        (trouble_of("prefetch", "xn--fiq228c.example.com"), "trouble+prefetch+xn--fiq228c.example.com"),
        (trouble_of("url", "[2001:db8::1]:8080"), "trouble+url+[2001:db8::1]:8080"),
    ],
)
def test_folders_keep_their_names(wait: Wait, slot: str) -> None:
    """They are part of keys that lie in the spool across deployments."""
    assert (slot, wait) == (wait.slot, wait_of(slot))


def test_what_goes_next_is_listed_first() -> None:
    """No other reason sorts before being ready."""
    assert READY.slot == min(Wait(why).slot for why in Why)


@pytest.mark.parametrize(
    "slot",
    [
        "",
        "ready",
        "quota",
        "quota+url+a",
        "minute+url",
        "minute+url+a+b",
        "trouble",
        "backoff+url",
        "0-ready+x",
        "refresh+a",
        "nonsense+a",
        "quota+URL",
        "quota+u l",
        "trouble+url+A.example.com",
        "trouble+url+" + "a" * 256,
    ],
)
def test_what_is_no_reason_is_none(slot: str) -> None:
    """People and consoles leave other folders, and newer versions other reasons."""
    assert wait_of(slot) is None


def test_the_longest_name_is_a_name() -> None:
    """A domain has at most 253 characters, which is less."""
    assert wait_of("trouble+url+" + "a" * 255) == trouble_of("url", "a" * 255)


@given(st.text(max_size=20))
def test_no_text_makes_it_raise(text: str) -> None:
    """Whatever lies in the bucket, reading its name ends with an answer."""
    wait = wait_of(text)
    assert wait is None or wait.slot == text.rstrip("+")
