"""One log format for everyone: ours, kopf's, uvicorn's and SQLAlchemy's records go through one structlog formatter.

JSON unless standard error is a terminal. Never an object's body, an environment value or a secret.
"""

import logging
import sys
from typing import TYPE_CHECKING

import structlog

from rollcall.settings import LogSettings

if TYPE_CHECKING:
    from structlog.typing import Processor


def configure_logs(settings: LogSettings) -> None:
    """Route the standard library's and structlog's records to standard error in one format."""
    console = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: list[Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "kopf", "kopf.objects", "alembic"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # Requests are counted in /metrics; a line for each would drown what matters.
    logging.getLogger("uvicorn.access").setLevel("WARNING")
    for name in ("kopf.objects", "leaderelection", "alembic.runtime.plugins"):
        logging.getLogger(name).setLevel("WARNING")
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
