"""A logger plugin of Snakemake that prints one line per finished job, with the estimated time left.

    PYTHONPATH=workflow_scripts snakemake --logger headstart

Errors and warnings are shown as Snakemake shows them; Snakemake's own log file has everything.
"""

import logging
import sys
import time
from collections import Counter, defaultdict

from snakemake.logging import DefaultFormatter
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

# Seconds per job in the default study, for rules of which no job has finished yet: medians of benchmarks/stages.tsv
# where the rule is listed there.
_TYPICAL = {
    "prepare_template": 26,
    "make_subject": 5,
    "register_scan": 11,
    "label_scan": 5,
    "pretrain_source": 139,
    "finetune": 144,
    "segment": 14,
    "evaluate": 14,
    "score_native": 38,
}
_TYPICAL_OTHER = 1.5
# Seconds of work below which typical durations have more weight than measured ones.
_PRIOR = 60


class Progress:
    """Which jobs have finished, how long they took, and how long the others will take."""

    def __init__(self, started: float) -> None:
        self.started = started
        self.waiting: Counter[str] = Counter()
        self.total = 0
        self.running: dict[int, tuple[str, str, float]] = {}
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)

    def plan(self, jobs: dict[str, int]) -> None:
        """Set the number of jobs of each rule."""
        self.waiting = Counter({rule: count for rule, count in jobs.items() if rule != "total"})
        self.total = sum(self.waiting.values())

    def start(self, job: int, rule: str, wildcards: str, now: float) -> None:
        """Note that a job has started."""
        self.running[job] = (rule, wildcards, now)

    def finish(self, job: int, now: float) -> str:
        """Note that a job has finished; returns the line to print."""
        rule, wildcards, began = self.running.pop(job)
        self.waiting[rule] -= 1
        self.seconds[rule].append(now - began)
        done = self.total - self.waiting.total()
        left = self.seconds_left(now)
        return (
            f"[{_clock(now - self.started)}] {done}/{self.total} done, about {_clock(left)} left: "
            f"{rule} {wildcards} ({now - began:.0f} s)"
        )

    def seconds_left(self, now: float) -> float:
        """Estimated seconds left, at the speed and with the number of parallel jobs so far."""
        spent = sum(sum(took) for took in self.seconds.values())
        typical = sum(_typical(rule) * len(took) for rule, took in self.seconds.items())
        slowness = (spent + _PRIOR) / (typical + _PRIOR)
        parallel = max(1.0, (spent + _PRIOR) / (now - self.started + _PRIOR))

        def expected(rule: str) -> float:
            took = self.seconds.get(rule)
            return sum(took) / len(took) if took else _typical(rule) * slowness

        return sum(expected(rule) * count for rule, count in self.waiting.items()) / parallel


class LogHandler(LogHandlerBase):
    """The handler through which Snakemake reports to :class:`Progress`."""

    def __post_init__(self) -> None:
        self.progress = Progress(time.monotonic())
        self.formatter_of_snakemake = DefaultFormatter(show_failed_logs=self.common_settings.show_failed_logs)

    def emit(self, record: logging.LogRecord) -> None:
        """Update the progress with one record, and print a line if it calls for one."""
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            self.progress.plan(record.stats)
        elif event == LogEvent.JOB_INFO:
            wildcards = " ".join(str(value) for value in (record.wildcards or {}).values())
            self.progress.start(record.jobid, record.rule_name, wildcards, time.monotonic())
        elif event == LogEvent.JOB_FINISHED and record.job_id in self.progress.running:
            self._show(self.progress.finish(record.job_id, time.monotonic()))
        elif record.levelno >= logging.WARNING or event in (LogEvent.ERROR, LogEvent.JOB_ERROR):
            self._show(self.formatter_of_snakemake.format(record))

    def _show(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    @property
    def writes_to_stream(self) -> bool:
        """Whether this handler writes to the terminal."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Whether this handler writes a file."""
        return False

    @property
    def has_filter(self) -> bool:
        """Whether this handler selects records itself."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Whether this handler formats records itself."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """Whether this handler needs the graph of rules."""
        return False


def _typical(rule: str) -> float:
    """Typical seconds of a rule, or of the stage that its name begins with."""
    return _TYPICAL.get(rule, _TYPICAL.get(rule.partition("_")[0], _TYPICAL_OTHER))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:d}:{rest:02d}"
