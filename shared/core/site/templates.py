"""A template such as `{dir}{stem}` and a path in; the path or URL that it stands for out, or what is wrong with it.

Of /docs/a/x.html: {url} = /docs/a/x.html, {dir} = /docs/a/, {folder} = /docs/a, {name} = x.html, {stem} = x. The path
comes percent-encoded; what stands around the braces goes as it is written.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from shared.core.site.spelling import has_dot_segments
from shared.core.site.words import meant

Fill = Callable[[str], str]

URLS, EVERY_QUERY, DIRECTORIES = "urls", "every_query", "directories"

_NAMES = ("url", "dir", "folder", "name", "stem")
_BRACES = re.compile(r"\{([^{}]*)\}")
_LITERAL = r"(?:[A-Za-z0-9\-._~!$&'()+,;=:@/\[\]|{}]|%[0-9A-Fa-f]{2})*"
_WHOLE_PATH = re.compile(_LITERAL)
_WHOLE_QUERY = re.compile(_LITERAL.replace("|{}", "|?"))
_HOST = re.compile(r"(?:[A-Za-z0-9-]+\.)+(?:com|net|org|cn|io|dev|app|example|[a-z]+\.cn)")
_FOREIGN = re.compile(r"\$\{[^{}]*\}?|\$\d|\{\{[^{}]*\}\}|(?<=/):\w+")
_JOINTS = re.compile(r"(\{(?:url|folder)\})(\{(?:name|stem|url|dir|folder)\})")
_SLASHES = re.compile("/+")
_PAIR = re.compile(r"&[\w-]+=.*")
_ALIKE = {"path": "url", "key": "url", "file": "name", "filename": "name", "base": "stem", "parent": "dir"}
"""What others call parts of a path."""
_TEMPLATES_MAX = 4_096
CHARACTERS_MAX = 1_000
"""Of a template: with a domain in front the CDN takes 1,024."""
_PLACES_MAX = 8


@functools.lru_cache(maxsize=_TEMPLATES_MAX)
def filler(template: str) -> Fill:
    """Make the function that fills a template in; what it gives begins with `/`, or is "" where there is no such URL.

    At the top {folder} is nothing, so `{folder}` names no URL there, and `{folder}/feed.xml` names /feed.xml.
    """
    if template == "{url}":
        return lambda url: url
    pieces = _BRACES.split(template)  # text, name, text, name, ... text

    def fill(url: str) -> str:
        end = url.rfind("/")
        name = url[end + 1 :]
        dot = name.rfind(".")
        values = {
            "url": url,
            "dir": url[: end + 1],
            "folder": url[:end],
            "name": name,
            "stem": name[:dot] if dot > 0 else name,
        }
        filled = "".join(values[piece] if place % 2 else piece for place, piece in enumerate(pieces))
        return filled if filled.startswith("/") else ""

    return fill


def fault_of(template: str, use: str) -> str:
    """Tell why a template cannot work as one of `urls`, `every_query` or `directories`, and what to write instead."""
    if len(template) > CHARACTERS_MAX or len(_BRACES.findall(template)) > _PLACES_MAX:
        what = f"at most {CHARACTERS_MAX} characters and {_PLACES_MAX} parts in braces"
        return f"{template!r:.80} is longer than the CDN takes, {what}; every_query is for long queries"
    path, mark, query = template.partition("?")
    if use == DIRECTORIES and (bare := path.rstrip("*")) != path and bare.endswith(("/", "{dir}")):
        return f"{template!r:.80} has `*`; a directory is all below it: write '{bare:.60}'"
    faults = [
        "" if _FOREIGN.match(template) else _begin_fault(template),
        _braces_fault(path),
        _text_fault(path, _WHOLE_PATH),
        _query_fault(query, path) if mark else "",
    ]
    told = list(dict.fromkeys(filter(None, faults))) or list(
        filter(None, [_joint_fault(path) or _use_fault(path, mark, use)])
    )
    return f"{template!r:.80} {'; and '.join(told)}" if told else ""


def literal_path_fault(path: str) -> str:
    """Tell why a text is no percent-encoded path."""
    scheme, mark, rest = path.partition("://")
    if mark and "/" not in scheme.strip("/"):
        return f"{path!r:.80} is a URL; write the path alone: '/{rest.partition('/')[2]:.60}'"
    if not path.startswith("/"):
        return f"{path!r:.80} must begin with `/`"
    if "//" in path:
        return f"{path!r:.80} has `//`; write {_SLASHES.sub('/', path)!r:.80}"
    if "?" in path or "{" in path or "}" in path:
        return f"{path!r:.80} is a path: without a query, and without braces (write %3F, %7B, %7D if it has these)"
    fault = _text_fault(path, _WHOLE_PATH)
    return f"{path!r:.80} {fault}" if fault else ""


def _begin_fault(template: str) -> str:
    scheme, mark, rest = template.partition("://")
    first = template.partition("/")[0].partition("{")[0]
    if template.startswith(("/", "{url}", "{dir}", "{folder}")):
        return ""
    if _HOST.fullmatch(first) or (mark and "/" not in scheme):
        path = f"/{rest.partition('/')[2]}" if mark else template[len(first) :]
        return f"begins with a domain, and templates are for all of a site's; write the path alone: {path!r:.60}"
    if template.startswith(("?", "!", "@")):
        return f"says nothing of the path; write '{{url}}{template:.60}'"
    if "=" in first:
        return f"says nothing of the path; write '{{url}}?{template:.60}'"
    if template.startswith(("*", "{")):
        name = _BRACES.match(template)
        return f"begins with no path; write '{{dir}}{template:.60}'" if name and name[1] in _NAMES else ""
    return f"must begin with `/` or a path in braces; write '/{template:.60}' or '{{dir}}{template:.60}'"


def _braces_fault(path: str) -> str:
    known = ", ".join(f"{{{each}}}" for each in _NAMES)
    if foreign := _FOREIGN.search(path):
        return f"has {foreign[0]!r:.20}, which means nothing here; known are {known}"
    for name in _BRACES.findall(path):
        if name not in _NAMES:
            close = meant(name, _NAMES, alike=_ALIKE)
            return f"names {{{name:.20}}}; " + (f"write {{{close}}}" if close else f"known are {known}")
    if {"{", "}"} & set(_BRACES.sub("", path)):
        return "has a brace without its other half; as a character it is %7B or %7D"
    return ""


def _joint_fault(path: str) -> str:
    """Tell what is wrong where placeholders meet what stands beside them."""
    sample = "/a/x.html"
    filled = filler(path)(sample)
    made = f"of {sample} it makes {filled:.60}"
    if joint := _JOINTS.search(path):
        better = "{dir}" + joint[2] if joint[1] == "{folder}" else joint[1]
        return f"puts {joint[2]} right behind {joint[1]}: {made}; write '{better}'"
    if pair := _PAIR.search(path):
        return f"has {pair[0]!r:.30} and no `?`: {made}; write '{path[: pair.start()]}?{pair[0][1:]:.60}'"
    if "//" in filled:
        return f"has `//`: {made}; {{url}}, {{dir}} and {{folder}} begin with `/`, and {{dir}} ends with it"
    if has_dot_segments(filled):
        return "has a segment `.` or `..`, which clients take away before they ask"
    return ""


def _query_fault(query: str, path: str) -> str:
    if query.strip("*=") == "" and "*" in query:
        return f"has `*` for its query; write '{path:.60}' under `every_query`"
    if not query:
        return f"ends with `?`; write '{path:.60}', or a query behind it"
    if query.startswith("?"):
        return f"has `?` twice; write '{path:.60}?{query.lstrip('?'):.60}'"
    if "{" in query or "}" in query:
        return "has braces in its query, where nothing is filled in; as characters they are %7B and %7D"
    return _text_fault(query, _WHOLE_QUERY)


def _text_fault(text: str, whole: re.Pattern[str]) -> str:
    """Tell which characters cannot stand in a URL as they are written."""
    if "#" in text:
        return "has `#`: nothing from there on is ever requested; leave it away, or write %23 for the character"
    if "*" in text:
        return (
            "has `*`, which stands for nothing in a URL: name each one, use every_query, or write %2A for the character"
        )
    if not whole.fullmatch(text):
        return _odd(text, whole)
    if has_dot_segments(text.partition("?")[0]) and "/" in text:
        return "has a segment `.` or `..`, which clients take away before they ask"
    return ""


def _odd(text: str, whole: re.Pattern[str]) -> str:
    found = whole.match(text)
    odd = text[found.end() if found else 0]
    if odd == "%":
        return "has a `%` without two hexadecimal digits behind it; the character itself is %25"
    written = "".join(f"%{byte:02X}" for byte in odd.encode(errors="replace"))
    return f"has {odd!r}, which must be percent-encoded: {written}"


def _use_fault(path: str, mark: str, use: str) -> str:
    if use == EVERY_QUERY and mark:
        return f"has a query, and every query is meant; write '{path:.60}'"
    if use != DIRECTORIES:
        return ""
    head, _, last = path.rpartition("/")
    better = {"{url}": "{dir}", "{folder}": "{dir}"}.get(path, f"{head}/" if "." in last else f"{path}/")
    if mark:
        return (
            f"has a query, which a directory has not; write '{path if path.endswith(('/', '{dir}')) else better:.60}'"
        )
    if path.endswith(("{dir}", "/")):
        return ""
    return f"must end with `/`, as directories do; write '{better:.60}'"
