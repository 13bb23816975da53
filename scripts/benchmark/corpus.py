"""A thousand keys as teams have them, from a fixed mixture: what a change of each costs, by how sites are spelled.

The mixture is a guess at what lies in buckets behind CDNs: bundles of front ends, photographs with names from cameras
and people, uploads with times in their names, videos in pieces, pages, downloads.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

SEED = "a thousand keys"
KEYS = 1_000
_HEX = "0123456789abcdef"
_WORDS = ("about", "banner", "cart", "docs", "guide", "hero", "logo", "news", "order", "price", "team", "video")
_CHINESE = ("产品图", "新闻", "封面", "活动海报", "说明书", "合同扫描件")


def _hash(rng: Random, digits: int = 8) -> str:
    return "".join(rng.choice(_HEX) for _ in range(digits))


def _word(rng: Random) -> str:
    return rng.choice(_WORDS)


def _bundle(rng: Random) -> str:
    return f"assets/{_word(rng)}-{_hash(rng)}.{rng.choice(('js', 'css', 'js', 'woff2'))}"


def _page(rng: Random) -> str:
    return f"{_word(rng)}/{_word(rng)}{rng.choice(('.html', '/index.html'))}"


def _picture(rng: Random) -> str:
    return (
        f"img/{rng.randint(2019, 2026)}/{rng.randint(1, 12):02}/{_hash(rng, 16)}.{rng.choice(('jpg', 'png', 'webp'))}"
    )


def _route(rng: Random) -> str:
    return f"_next/static/chunks/pages/{_word(rng)}/[{rng.choice(('id', 'slug', '...path'))}]-{_hash(rng, 16)}.js"


def _copy(rng: Random) -> str:
    return f"uploads/{_word(rng)} ({rng.randint(1, 9)}).{rng.choice(('jpg', 'pdf'))}"


def _moment(rng: Random) -> str:
    day = f"{rng.randint(2019, 2026)}-{rng.randint(1, 12)}-{rng.randint(1, 28)}"
    return f"uploads/{day}-{rng.randint(0, 23)}:{rng.randint(10, 59)}:{rng.randint(10, 59)}.png"


def _retina(rng: Random) -> str:
    return f"img/{_word(rng)}@{rng.choice((2, 3))}x.png"


def _chinese(rng: Random) -> str:
    return f"upload/{rng.choice(_CHINESE)}{rng.randint(1, 99)}{rng.choice(('.jpg', '.pdf', '-1.png', ' 副本.jpg'))}"


def _video(rng: Random) -> str:
    return f"vod/{_hash(rng, 12)}/{rng.choice(('index.m3u8', f'seg-{rng.randint(1, 400):05}.ts', 'cover.jpg'))}"


def _download(rng: Random) -> str:
    version = f"{rng.randint(1, 4)}.{rng.randint(0, 20)}.{rng.randint(0, 9)}"
    return f"download/app-{version}{rng.choice(('.zip', '.apk', '+build7.dmg'))}"


def _data(rng: Random) -> str:
    return f"data/{_word(rng)},{rng.randint(1, 99)};v={rng.randint(1, 9)}.json"


MIXTURE: tuple[tuple[int, Callable[[Random], str]], ...] = (
    (240, _bundle),
    (130, _page),
    (260, _picture),
    (40, _route),
    (40, _copy),
    (30, _moment),
    (30, _retina),
    (70, _chinese),
    (110, _video),
    (40, _download),
    (10, _data),
)
"""Of a thousand keys so many of each kind."""


def keys() -> list[str]:
    """Make the thousand keys."""
    rng = Random(SEED)  # noqa: S311 - a fixed mixture
    return [make(rng) for count, make in MIXTURE for _ in range(count)]
