"""Shows progress with the estimated remaining time, on a terminal or in a log file."""

import contextlib
import sys
import time


@contextlib.contextmanager
def progress(description, total, unit="images"):
    """Shows the progress of a long loop; yields `advance(n=1)`.

    On a terminal, this is one live line; elsewhere (a file, a pipe, CI), it is a plain line every ten seconds, so that
    logs stay readable. Nothing is shown for work that takes less than a second.

    Example:
        >>> with progress("embedding", total=3) as advance:
        ...     for _ in range(3):
        ...         advance()
    """
    line = _Line(description, total, unit)
    try:
        yield line.advance
    finally:
        line.close()


def clock(seconds):
    """Formats seconds: `75` → `"1:15"`, `3700` → `"1:01:40"`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


class _Line:
    def __init__(self, description, total, unit):
        self.description, self.total, self.unit = description, total, unit
        self.done, self.start = 0, time.monotonic()
        self.live = sys.stderr.isatty()
        self.interval = 0.2 if self.live else 10.0
        self.last = self.start + (1.0 if self.live else 0.0) - self.interval * self.live
        self.shown = False

    def advance(self, n=1):
        self.done += n
        now = time.monotonic()
        if now - self.last >= self.interval:
            self.last = now
            self._show(now)

    def close(self):
        if self.shown:
            self._show(time.monotonic())
            if self.live:
                print(file=sys.stderr)

    def _show(self, now):
        self.shown = True
        elapsed = max(now - self.start, 1e-9)
        speed = self.done / elapsed
        remaining = (self.total - self.done) / speed if speed else float("inf")
        eta = clock(remaining) if remaining != float("inf") else "?"
        text = (
            f"{self.description}: {self.done}/{self.total} {self.unit}, {speed:.0f}/s, "
            f"{clock(elapsed)} elapsed, {eta} left"
        )
        print(
            f"\r{text}\033[K" if self.live else text,
            end="" if self.live else "\n",
            file=sys.stderr,
            flush=True,
        )
