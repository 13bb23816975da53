"""Small templates go in; the local cloud's records of them, or its complaints, are compared."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from scripts.localcloud.fc.schedule import parse_schedule
from scripts.localcloud.fc.template import FunctionSpec, TemplateError, parse_template
from scripts.localcloud.fc.triggers import CdnTrigger, OssTrigger, TimerTrigger

CONFIG = {"AccountID": "1234567890123456"}
WHOLE = """
edition: 3.0.0
name: refresh
access: default
vars:
  region: cn-hangzhou
  bucket: ${env('BUCKET', 'site')}
  timeout: 30
template:
  base:
    region: ${vars.region}
    runtime: python3.10
    code: ./dist/code.zip
    memorySize: 256
    environmentVariables:
      LEVEL: info
      WHO: base
    logConfig: {project: logs, logstore: functions, logBeginRule: None}
resources:
  created:
    component: fc3
    actions:
      pre-deploy: [{run: scripts/build, path: ./}]
    extend: {name: base, ignore: [memorySize]}
    props:
      functionName: ${this.name}
      handler: object_created.handler
      timeout: ${vars.timeout}
      role: acs:ram::${config('AccountID')}:role/refresh
      environmentVariables:
        WHO: ${this.props.functionName}
        OTHER: ${resources.timer.props.functionName}-${vars.timeout}
      instanceLifecycleConfig:
        initializer: {handler: object_created.initialize, timeout: 20}
      asyncInvokeConfig: {maxAsyncRetryAttempts: 5, maxAsyncEventAgeInSeconds: 3600}
      concurrencyConfig: {reservedConcurrency: 2}
      triggers:
        - triggerName: changed
          triggerType: oss
          sourceArn: acs:oss:${vars.region}:${config("AccountID")}:${vars.bucket}
          invocationRole: acs:ram::${config('AccountID')}:role/aliyunosseventnotificationrole
          triggerConfig:
            events: [oss:ObjectCreated:PutObject, "oss:ObjectRemoved:DeleteObject"]
            filter: {key: {prefix: www/, suffix: .html}}
  timer:
    component: fc3
    extend: {name: base}
    props:
      functionName: retry
      handler: retry_failed.handler
      runtime: python3.12
      triggers:
        - triggerName: every
          triggerType: timer
          triggerConfig: {cronExpression: "0 */5 * * * *", enable: false, payload: drain}
        - triggerName: finished
          triggerType: cdn_events
          sourceArn: acs:cdn:*:${config('AccountID')}
          triggerConfig:
            eventName: CachedObjectsRefreshed
            eventVersion: 1.0.0
            notes: settle at once
            filter: {domain: [a.example.com]}
"""
ONE = """
edition: 3.0.0
name: one
resources:
  f:
    component: fc3
    props: {{functionName: f, region: cn-hangzhou, runtime: python3.10, handler: index.handler, code: ./{more}}}
"""
TIMER = "{{triggerName: t, triggerType: timer, triggerConfig: {{cronExpression: '{}'}}}}"


def _parse(text: str, **environ: str) -> tuple[FunctionSpec, ...]:
    return parse_template(text, environ=environ, config=CONFIG).functions


def _faults(text: str) -> list[str]:
    with pytest.raises(TemplateError) as raised:
        _parse(text)
    return raised.value.faults


def _oss(name: str, events: str, keys: str) -> str:
    return (
        f"{{triggerName: {name}, triggerType: oss, sourceArn: acs:oss:cn-hangzhou:1:site, "
        f"triggerConfig: {{events: [{events}], filter: {{key: {{{keys}}}}}}}}}"
    )


def test_a_function_is_read_with_its_base_and_variables() -> None:
    """Extended templates, variables, references and typed values all arrive in the record."""
    created, retry = _parse(WHOLE, BUCKET="pages")

    assert created == FunctionSpec(
        name="created",
        handler="object_created.handler",
        runtime="python3.10",
        region="cn-hangzhou",
        code="./dist/code.zip",
        timeout_seconds=30,
        memory_mb=512,
        environment={"LEVEL": "info", "WHO": "created", "OTHER": "retry-30"},
        initializer="object_created.initialize",
        initializer_timeout_seconds=20,
        retries_max=5,
        event_age_seconds_max=3600,
        reserved_concurrency=2,
        log_project="logs",
        log_store="functions",
        triggers=(
            OssTrigger(
                "changed",
                "pages",
                ("ObjectCreated:PutObject", "ObjectRemoved:DeleteObject"),
                "www/",
                ".html",
            ),
        ),
    )
    assert (retry.runtime, retry.memory_mb, retry.retries_max) == ("python3.12", 256, 3)
    assert retry.triggers == (
        TimerTrigger("every", parse_schedule("0 */5 * * * *"), "drain", enabled=False),
        CdnTrigger("finished", "CachedObjectsRefreshed", ("a.example.com",)),
    )


def test_every_fault_is_listed_with_its_path() -> None:
    """One error names all that is wrong, each with the place it stands at."""
    text = ONE.format(
        more=", timeout: '3', memorySize: 500, layers: [a], environmentVariables: {FC_X: a, N: 1}, "
        f"triggers: [{TIMER.format('* * *')}, {{triggerName: h, triggerType: http, triggerConfig: {{}}}}]"
    )

    assert sorted(fault.split(": ")[0] for fault in _faults(text)) == [
        "resources.f.props.environmentVariables.FC_X",
        "resources.f.props.environmentVariables.N",
        "resources.f.props.layers",
        "resources.f.props.memorySize",
        "resources.f.props.timeout",
        "resources.f.props.triggers[0].triggerConfig.cronExpression",
        "resources.f.props.triggers[1].triggerType",
    ]


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("${env('NOWHERE')}", "env('NOWHERE') is not set"),
        ("${config('Nothing')}", "config('Nothing') is not set"),
        ("${vars.absent}", "names nothing"),
        ("${this.props.code}", "refers to itself"),
        ("${file('./x')}", "not supported"),
        ("${resources.f.output.url}", "not supported"),
    ],
)
def test_an_expression_that_cannot_be_replaced_is_a_fault(expression: str, complaint: str) -> None:
    """What the renderer does not understand is reported where it stands."""
    (fault,) = _faults(ONE.format(more="").replace("code: ./", f'code: "{expression}"'))

    assert fault.startswith("resources.f.props.code: ")
    assert complaint in fault


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("edition: 1.0.0\nresources: {}", "template.edition"),
        ("edition: 3.0.0\nservices: {}", "template.services"),
        ("edition: 3.0.0\nresources: {f: {component: fc3-domain, props: {}}}", "resources.f.component"),
        ("edition: 3.0.0\nresources: {f: {component: fc3, extend: {name: no}}}", "resources.f.extend.name"),
        ("just text", "template"),
        ("a: [", "not YAML"),
    ],
)
def test_a_wrong_outline_is_a_fault(text: str, path: str) -> None:
    """The outline of the document is checked before its functions."""
    assert path in [fault.split(": ")[0] for fault in _faults(text)]


@pytest.mark.parametrize(
    ("first", "second", "conflict"),
    [
        (("oss:ObjectCreated:PutObject", "prefix: a/"), ("oss:ObjectCreated:*", "prefix: a/b/"), True),
        (("oss:ObjectCreated:PutObject", "prefix: a/"), ("oss:ObjectCreated:PutObject", "prefix: b/"), False),
        (("oss:ObjectCreated:PutObject", ""), ("oss:ObjectRemoved:DeleteObject", ""), False),
        (("oss:ObjectCreated:PutObject", "suffix: zip"), ("oss:ObjectCreated:PutObject", "suffix: zip1"), False),
    ],
)
def test_overlapping_triggers_are_refused(first: tuple[str, str], second: tuple[str, str], *, conflict: bool) -> None:
    """Triggers of one bucket conflict when one change could belong to both, as on the platform."""
    text = ONE.format(more=f", triggers: [{_oss('one', *first)}, {_oss('two', *second)}]")

    if conflict:
        assert "f/one and f/two" in _faults(text)[0]
    else:
        assert len(_parse(text)[0].triggers) == 2


def test_an_event_that_oss_does_not_have_is_refused() -> None:
    """The names of events are checked, which the vendor's own check does not do."""
    fault = _faults(ONE.format(more=f", triggers: [{_oss('one', 'oss:ObjectRemoved:*', '')}]"))

    assert "ObjectRemoved:*" in fault[0]


@pytest.mark.parametrize(
    ("expression", "rings"),
    [
        ("0 */20 * * * *", ["2026-01-01 00:20:00", "2026-01-01 00:40:00", "2026-01-01 01:00:00"]),
        ("30 15 3 * * ?", ["2026-01-01 03:15:30", "2026-01-02 03:15:30"]),
        ("0 0 0 29 2 *", ["2028-02-29 00:00:00"]),
        ("0 0 12 * * MON-FRI", ["2026-01-01 12:00:00", "2026-01-02 12:00:00", "2026-01-05 12:00:00"]),
        ("0 0 0 13 * FRI", ["2026-01-02 00:00:00", "2026-01-09 00:00:00", "2026-01-13 00:00:00"]),
        ("CRON_TZ=Asia/Shanghai 0 0 4 * * *", ["2026-01-01 20:00:00", "2026-01-02 20:00:00"]),
        ("CRON_TZ=Europe/Berlin 0 30 2 29 3 *", ["2027-03-29 00:30:00"]),
        ("@every 1h30m", ["2026-01-01 01:30:00", "2026-01-01 03:00:00"]),
    ],
)
def test_schedules_ring_when_they_say(expression: str, rings: list[str]) -> None:
    """Cron fields, names, zones (a skipped wall time included) and intervals give the expected times."""
    since = datetime(2026, 1, 1, tzinfo=timezone.utc).timestamp()
    schedule, found, after = parse_schedule(expression), [], since
    for _ in rings:
        after = schedule.next_after(after, since)
        found.append(datetime.fromtimestamp(after, timezone.utc).strftime("%Y-%m-%d %H:%M:%S"))

    assert found == rings


@pytest.mark.parametrize("expression", ["", "* * * * *", "60 * * * * *", "0 0 0 L * *", "@every 5", "0/0 * * * * *"])
def test_a_wrong_schedule_is_refused(expression: str) -> None:
    """What is no schedule raises, rather than never ringing."""
    with pytest.raises(ValueError, match=r"."):
        parse_schedule(expression)
