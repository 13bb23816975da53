"""The template that is deployed: it agrees with the sources, and stays within the platform's limits."""

from __future__ import annotations

import ast
from pathlib import Path

import msgspec
import pytest

from scripts.localcloud.fc.template import FunctionSpec, parse_template, read_template
from scripts.localcloud.fc.triggers import OssTrigger, TimerTrigger
from shared.core.change.events import read
from shared.settings import Settings, read_settings
from tests.core.change.shapes import event as native_event
from tests.core.change.shapes import native

ROOT = Path(__file__).parent.parent
RETRIES_MAX = 8
EVENT_AGE_SECONDS_MAX = 604_800
ENVIRONMENT_BYTES_MAX = 4_096
"""The platform's limits (vendor's pages "Configure a retry mechanism" and "Configure environment variables")."""

FUNCTIONS = {
    function.handler.partition(".")[0]: function
    for function in read_template(ROOT / "template.yml", environ={}, config={"AccountID": "1234567890123456"}).functions
}
each_function = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)


def names_defined(module: str) -> set[str]:
    """List the top-level names of an entry point without running it."""
    tree = ast.parse((ROOT / "functions" / f"{module}.py").read_text(encoding="utf-8"))
    assigned = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return assigned | {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_entry_point_is_deployed_once() -> None:
    """The template names every file of functions/, and no other."""
    assert sorted(FUNCTIONS) == sorted(path.stem for path in (ROOT / "functions").glob("*.py"))


@each_function
def test_handlers_exist(function: FunctionSpec) -> None:
    """The handler and the initializer of each function are names in the file they point to."""
    module, handler = function.handler.split(".")
    assert function.initializer == f"{module}.initialize"
    assert {handler, "initialize"} <= names_defined(module)


@each_function
def test_limits_hold(function: FunctionSpec) -> None:
    """Retries, the age of events and the environment are within the platform's limits."""
    environment = sum(len(f"{name}{value}".encode()) for name, value in function.environment.items())
    assert 0 <= function.retries_max <= RETRIES_MAX
    assert 1 <= function.event_age_seconds_max <= EVENT_AGE_SECONDS_MAX
    assert environment < ENVIRONMENT_BYTES_MAX


@each_function
def test_the_environment_is_what_the_settings_read(function: FunctionSpec) -> None:
    """Each variable is a setting, none that must be set is missing, and the values are accepted as they stand."""
    known = {field.encode_name for field in msgspec.structs.fields(Settings)}
    assert set(function.environment) - known == set()
    settings = read_settings({**function.environment, "FC_REGION": function.region})
    assert settings.lease_seconds >= function.timeout_seconds


@each_function
def test_the_site_file_is_in_the_package(function: FunctionSpec) -> None:
    """The site file that the environment names lies beside the entry points."""
    assert (ROOT / "functions" / function.environment["SITES_FILE"]).is_file()


@pytest.mark.parametrize(
    ("module", "events"),
    [
        (
            "object_created",
            {"PutObject", "PostObject", "CopyObject", "AppendObject", "CompleteMultipartUpload", "PutSymlink"},
        ),
        ("object_removed", {"DeleteObject", "DeleteObjects"}),
    ],
)
def test_oss_triggers_name_exactly_what_changes_an_object(module: str, events: set[str]) -> None:
    """No wildcard, which would also fire for each part of an upload, and no event is left out."""
    [trigger] = FUNCTIONS[module].triggers
    kind = {"object_created": "ObjectCreated", "object_removed": "ObjectRemoved"}[module]
    assert isinstance(trigger, OssTrigger)
    assert set(trigger.events) == {f"{kind}:{event}" for event in events}


def test_what_is_shown_in_comments_can_be_taken_in() -> None:
    """With the comment signs gone the template is still one, and the functions read each of these events."""
    text = (ROOT / "template.yml").read_text(encoding="utf-8").replace("# - oss:", "- oss:")
    functions = parse_template(text, environ={}, config={"AccountID": "1234567890123456"}).functions
    shown = {
        event: function.handler.partition(".")[0]
        for function in functions
        for trigger in function.triggers
        if isinstance(trigger, OssTrigger)
        for event in trigger.events
        if not event.startswith(("ObjectCreated:", "ObjectRemoved:"))
    }
    assert {
        "ObjectModified:UpdateObjectMeta": "object_created",
        "ObjectReplication:ObjectCreated": "object_created",
        "ObjectReplication:ObjectModified": "object_created",
        "ObjectReplication:ObjectRemoved": "object_removed",
    } == shown
    for event, module in shown.items():
        (change,) = read(native(native_event(eventName=event))).changes
        assert module == f"object_{change.action.value}"


def test_what_waits_is_looked_at_each_minute() -> None:
    """The timer fires at each minute, and is on."""
    [trigger] = FUNCTIONS["retry_failed"].triggers
    assert isinstance(trigger, TimerTrigger)
    assert trigger.enabled
    assert [trigger.schedule.next_after(now, since=0) for now in (0, 59, 60, 86_399)] == [60, 60, 120, 86_400]
