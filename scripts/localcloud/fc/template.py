"""A Serverless Devs template (edition 3.0.0, component fc3) goes in; records of its functions come out.

What the local cloud does not understand is an error that lists every fault with its path. A setting that
would have an effect in the cloud but has none here is either named in `WITHOUT_EFFECT_HERE` or refused.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from scripts.localcloud.fc.fields import Fields
from scripts.localcloud.fc.render import Renderer
from scripts.localcloud.fc.triggers import OssTrigger, Trigger, read_triggers

RUNTIMES = ("python3.9", "python3.10", "python3.12")
MEMORY_STEP_MB = 64
ENVIRONMENT_BYTES_MAX = 4096
"""All environment variables of a function together (vendor's page "Configure environment variables")."""
EVENT_AGE_SECONDS_DEFAULT = 86400
OSS_TRIGGERS_PER_BUCKET_MAX = 10
ENVIRONMENT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
FUNCTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$-]{0,63}")
HANDLER = re.compile(r"[\w/.-]+\.[A-Za-z_]\w*")
WITHOUT_EFFECT_HERE = (
    "description",
    "cpu",
    "diskSize",
    "role",
    "internetAccess",
    "vpcConfig",
    "vpcBinding",
    "resourceGroupId",
    "tags",
    "annotations",
    "tracingConfig",
    "provisionConfig",
    "scalingConfig",
    "endpoint",
)
TOP_LEVEL = ("edition", "name", "access", "vars", "template", "resources", "flow", "actions")


class TemplateError(ValueError):
    """The template is wrong, or asks for what the local cloud does not have; `faults` lists all of it."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One function as the template describes it."""

    name: str
    handler: str
    runtime: str = "python3.10"
    region: str = ""
    code: str = "./"
    timeout_seconds: int = 3
    memory_mb: int = 512
    environment: Mapping[str, str] = field(default_factory=dict)
    initializer: str = ""
    initializer_timeout_seconds: int = 3
    retries_max: int = 3
    """How often an asynchronous invocation is repeated after an error of the function."""
    event_age_seconds_max: int = EVENT_AGE_SECONDS_DEFAULT
    reserved_concurrency: int | None = None
    log_project: str = ""
    log_store: str = ""
    triggers: tuple[Trigger, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """A whole template."""

    name: str
    functions: tuple[FunctionSpec, ...]


def read_template(path: Path, *, environ: Mapping[str, str], config: Mapping[str, str]) -> Template:
    """Read a template file; `environ` answers `env()`, `config` answers `config()` (AccountID and so on)."""
    return parse_template(path.read_text(encoding="utf-8"), environ=environ, config=config)


def parse_template(text: str, *, environ: Mapping[str, str], config: Mapping[str, str]) -> Template:
    """Read the text of a template; TemplateError lists every fault."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise TemplateError([f"not YAML: {error}"]) from error
    faults: list[str] = []
    top = Fields(document, "template", faults)
    resources = _extended(top, document if isinstance(document, dict) else {})
    _raise(faults)
    renderer = Renderer({**document, "resources": resources}, environ, config)
    rendered = {name: renderer.render(resource, f"resources.{name}", name) for name, resource in resources.items()}
    _raise(renderer.faults)
    functions = tuple(
        _read_function(Fields(resource["props"], f"resources.{name}.props", faults))
        for name, resource in rendered.items()
    )
    faults.extend(_faults_between(functions))
    _raise(faults)
    return Template(document.get("name", ""), functions)


def _raise(faults: list[str]) -> None:
    if faults:
        raise TemplateError(faults)


def _extended(top: Fields, document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Check the outline, and give each resource with the template it extends merged in."""
    if document.get("edition") != "3.0.0":
        top.fault("edition", "must be 3.0.0")
    bases = document.get("template") or {}
    named = document.get("resources")
    top.ignore(TOP_LEVEL)
    top.finish()
    if not isinstance(named, dict) or not named:
        top.fault("resources", "must name at least one resource")
        return {}
    return {
        str(name): {"props": _resource_props(Fields(resource, f"resources.{name}", top.faults), bases)}
        for name, resource in named.items()
    }


def _resource_props(resource: Fields, bases: Mapping[str, Any]) -> dict[str, Any]:
    """Give the props of one resource; what it extends comes first, its own props win, lists are replaced."""
    if resource.text("component") != "fc3":
        resource.fault("component", "only fc3 is supported")
    props = resource.take("props", {})
    if not isinstance(props, dict):
        resource.fault("props", "must be a mapping")
        props = {}
    base: dict[str, Any] = {}
    if resource.has("extend"):
        extend = resource.below("extend")
        name, ignored = extend.text("name"), extend.take("ignore", [])
        if not isinstance(bases.get(name), dict):
            extend.fault("name", f"there is no template {name!r}")
        base = {key: value for key, value in (bases.get(name) or {}).items() if key not in ignored}
        extend.finish()
    resource.ignore(("actions", "access"))
    resource.finish()
    return _merged(base, props)


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        both_nested = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both_nested else value
    return merged


def _read_function(props: Fields) -> FunctionSpec:
    initializer, initializer_timeout = _read_lifecycle(props)
    retries, age = _read_async(props)
    log_project, log_store = _read_logging(props)
    spec = FunctionSpec(
        name=_matching(props, "functionName", FUNCTION_NAME),
        handler=_matching(props, "handler", HANDLER),
        runtime=_read_runtime(props),
        region=props.text("region"),
        code=props.text("code"),
        timeout_seconds=props.whole("timeout", 3, 1, 86400),
        memory_mb=_read_memory(props),
        environment=_read_environment(props),
        initializer=initializer,
        initializer_timeout_seconds=initializer_timeout,
        retries_max=retries,
        event_age_seconds_max=age,
        reserved_concurrency=_read_concurrency(props),
        log_project=log_project,
        log_store=log_store,
        triggers=read_triggers(props.take("triggers", []), f"{props.path}.triggers", props.faults),
    )
    props.ignore(WITHOUT_EFFECT_HERE)
    props.finish()
    return spec


def _matching(fields: Fields, name: str, form: re.Pattern[str]) -> str:
    text = fields.text(name)
    if text and not form.fullmatch(text):
        fields.fault(name, f"{text!r} has not the right form")
    return text


def _read_runtime(props: Fields) -> str:
    runtime = props.text("runtime")
    if runtime and runtime not in RUNTIMES:
        props.fault("runtime", f"{runtime!r} is not supported: only {', '.join(RUNTIMES)}")
    return runtime


def _read_memory(props: Fields) -> int:
    memory = props.whole("memorySize", 512, 128, 32768)
    if memory % MEMORY_STEP_MB:
        props.fault("memorySize", f"must be a multiple of {MEMORY_STEP_MB}")
    return memory


def _read_environment(props: Fields) -> dict[str, str]:
    environment = props.text_map("environmentVariables")
    for name in environment:
        if not ENVIRONMENT_NAME.fullmatch(name) or name.startswith("FC_"):
            props.fault(f"environmentVariables.{name}", "is no name the platform allows")
    size = sum(len(f"{name}{value}".encode()) for name, value in environment.items())
    if size > ENVIRONMENT_BYTES_MAX:
        props.fault("environmentVariables", f"{size} bytes are more than {ENVIRONMENT_BYTES_MAX}")
    return environment


def _read_lifecycle(props: Fields) -> tuple[str, int]:
    """Give the initializer's handler (or no text) and its time limit in seconds."""
    lifecycle = props.below("instanceLifecycleConfig")
    if not lifecycle.has("initializer"):
        lifecycle.finish()
        return "", 3
    initializer = lifecycle.below("initializer")
    handler = _matching(initializer, "handler", HANDLER)
    seconds = initializer.whole("timeout", 3, 1, 300)
    initializer.finish()
    lifecycle.finish()
    return handler, seconds


def _read_async(props: Fields) -> tuple[int, int]:
    """Give how often an asynchronous invocation is retried, and the age in seconds that ends it."""
    config = props.below("asyncInvokeConfig")
    retries = config.whole("maxAsyncRetryAttempts", 3, 0, 8)
    age = config.whole("maxAsyncEventAgeInSeconds", EVENT_AGE_SECONDS_DEFAULT, 1, 604800)
    if config.text("qualifier", "LATEST") != "LATEST":
        config.fault("qualifier", "only LATEST is supported")
    config.finish()
    return retries, age


def _read_concurrency(props: Fields) -> int | None:
    if not props.has("concurrencyConfig"):
        return None
    config = props.below("concurrencyConfig")
    reserved = config.whole("reservedConcurrency", 1, 1, 300)
    config.finish()
    return reserved


def _read_logging(props: Fields) -> tuple[str, str]:
    """Give the project and logstore that the platform ships the function's output to."""
    value = props.take("logConfig", "auto")
    if value == "auto":
        return "", ""
    config = Fields(value, f"{props.path}.logConfig", props.faults)
    project, store = config.text("project"), config.text("logstore")
    config.ignore(("enableRequestMetrics", "enableInstanceMetrics", "enableLlmMetrics", "logBeginRule"))
    config.finish()
    return project, store


def _faults_between(functions: tuple[FunctionSpec, ...]) -> list[str]:
    """List faults between functions: equal names, triggers of one bucket that overlap or are too many."""
    names = Counter(function.name for function in functions)
    faults = [f"resources: the function {name!r} is described twice" for name, count in names.items() if count > 1]
    triggers = [
        (f"{function.name}/{trigger.name}", trigger)
        for function in functions
        for trigger in function.triggers
        if isinstance(trigger, OssTrigger)
    ]
    for (name, trigger), (other_name, other) in itertools.combinations(triggers, 2):
        if trigger.conflicts(other):
            faults.append(f"resources: the triggers {name} and {other_name} could both fire for one change")
    buckets = Counter(trigger.bucket for _, trigger in triggers)
    faults.extend(
        f"resources: {count} triggers on the bucket {bucket!r}, {OSS_TRIGGERS_PER_BUCKET_MAX} are allowed"
        for bucket, count in buckets.items()
        if count > OSS_TRIGGERS_PER_BUCKET_MAX
    )
    return faults
