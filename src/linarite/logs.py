"""How log lines look: text for people, JSON for machines. Everything goes to standard error."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(form: str, level: str) -> None:
    """Set up structlog, and the standard library's loggers through it. `form` is text or json."""
    threshold = LEVELS[level]
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper("iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last: Processor = structlog.processors.JSONRenderer() if form == "json" else render_text
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last], foreign_pre_chain=shared
        )
    )
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)


def render_text(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """One line: time, level, what happened, facts; an exception's lines follow."""
    exception = event.pop("exception", None)
    line = f"{event.pop('timestamp')[:23]}Z {event.pop('level'):<7} {event.pop('event')}"
    facts = " ".join(f"{name}={_plain(value)}" for name, value in event.items())
    whole = f"{line}  {facts}" if facts else line
    return f"{whole}\n{exception}" if exception else whole


def _plain(value: object) -> str:
    """A value that cannot break out of its place in the line."""
    text = str(value)
    return text if text.isprintable() and " " not in text and text else repr(text)
