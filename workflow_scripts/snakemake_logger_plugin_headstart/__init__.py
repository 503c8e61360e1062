"""Snakemake's log as one line a job, with the time left: ``PYTHONPATH=workflow_scripts snakemake --logger headstart``.

Errors and warnings are shown as Snakemake itself shows them; everything is in Snakemake's own log file too.
"""

import logging
import sys
import time
from collections import Counter, defaultdict

from snakemake.logging import DefaultFormatter
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

# Seconds a job in the default study (benchmarks/), for rules of which none has finished yet.
_TYPICAL = {
    "prepare_template": 40,
    "make_subject": 5,
    "register_scan": 11,
    "label_scan": 16,
    "pretrain_source": 30,
    "finetune": 32,
    "evaluate": 12,
}
_TYPICAL_OTHER = 1.5
# Until this many seconds of work are done, what is typical weighs more than what was measured.
_DOUBT = 60


class Progress:
    """Which jobs are done, how long they took, and how long the others will take."""

    def __init__(self, started: float) -> None:
        self.started = started
        self.waiting: Counter[str] = Counter()
        self.total = 0
        self.running: dict[int, tuple[str, str, float]] = {}
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)

    def plan(self, jobs: dict[str, int]) -> None:
        """Take in how many jobs of each rule there are."""
        self.waiting = Counter({rule: count for rule, count in jobs.items() if rule != "total"})
        self.total = sum(self.waiting.values())

    def start(self, job: int, rule: str, what: str, now: float) -> None:
        """A job has begun."""
        self.running[job] = (rule, what, now)

    def finish(self, job: int, now: float) -> str:
        """A job is done: the line that says so."""
        rule, what, began = self.running.pop(job)
        self.waiting[rule] -= 1
        self.seconds[rule].append(now - began)
        done = self.total - self.waiting.total()
        left = self.seconds_left(now)
        return (
            f"[{_clock(now - self.started)}] {done}/{self.total} done, about {_clock(left)} left: "
            f"{rule} {what} ({now - began:.0f} s)"
        )

    def seconds_left(self, now: float) -> float:
        """Work that is left, at the speed and with as many jobs at once as so far."""
        spent = sum(sum(took) for took in self.seconds.values())
        typical = sum(_typical(rule) * len(took) for rule, took in self.seconds.items())
        slowness = (spent + _DOUBT) / (typical + _DOUBT)
        at_once = max(1.0, (spent + _DOUBT) / (now - self.started + _DOUBT))

        def expected(rule: str) -> float:
            took = self.seconds.get(rule)
            return sum(took) / len(took) if took else _typical(rule) * slowness

        return sum(expected(rule) * count for rule, count in self.waiting.items()) / at_once


class LogHandler(LogHandlerBase):
    """Snakemake's door to :class:`Progress`."""

    def __post_init__(self) -> None:
        self.progress = Progress(time.monotonic())
        self.usual = DefaultFormatter(show_failed_logs=self.common_settings.show_failed_logs)

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record, or only take it in."""
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            self.progress.plan(record.stats)
        elif event == LogEvent.JOB_INFO:
            what = " ".join(str(value) for value in (record.wildcards or {}).values())
            self.progress.start(record.jobid, record.rule_name, what, time.monotonic())
        elif event == LogEvent.JOB_FINISHED and record.job_id in self.progress.running:
            self._show(self.progress.finish(record.job_id, time.monotonic()))
        elif record.levelno >= logging.WARNING or event in (LogEvent.ERROR, LogEvent.JOB_ERROR):
            self._show(self.usual.format(record))

    def _show(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    @property
    def writes_to_stream(self) -> bool:
        """The terminal is this handler's."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Snakemake writes its own file."""
        return False

    @property
    def has_filter(self) -> bool:
        """Every record is looked at."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Lines are made here."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """Counts are enough."""
        return False


def _typical(rule: str) -> float:
    """What is typical of a rule, or of the stage that its name begins with."""
    return _TYPICAL.get(rule, _TYPICAL.get(rule.partition("_")[0], _TYPICAL_OTHER))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:d}:{rest:02d}"
