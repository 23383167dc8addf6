"""Shows progress with the estimated remaining time, on a terminal or in a log file."""

import contextlib
import sys
import time

_KNOWN_AFTER = 2.0  # seconds after the first call


@contextlib.contextmanager
def progress(description, total, unit="images"):
    """Shows the progress of a long loop; yields `advance(n=1)`.

    On a terminal, this is one live line; elsewhere (a file, a pipe, CI), it is a plain line every ten seconds, so that
    logs stay readable. Nothing is shown for work that takes less than a second. The speed leaves out the first call of
    `advance`, which often waits for something to be loaded or compiled, and speed and remaining time are not told
    before they are known from some seconds.

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
        self.first = None  # when the first call came, and what was done by then
        self.live = sys.stderr.isatty()
        self.interval = 0.2 if self.live else 10.0
        self.last = self.start + (1.0 if self.live else 0.0) - self.interval * self.live
        self.shown = False

    def advance(self, n=1):
        self.done += n
        now = time.monotonic()
        if self.first is None:
            self.first = now, self.done
        if now - self.last >= self.interval:
            self.last = now
            self._show(now)

    def close(self):
        if self.shown:
            self._show(time.monotonic())
            if self.live:
                print(file=sys.stderr)

    def _speed(self, now):
        """Per second, or None before it is known."""
        if self.first is None:
            return None
        began, before = self.first
        seconds, done = now - began, self.done - before
        if self.done < self.total and seconds < _KNOWN_AFTER:
            return None
        return done / seconds if done and seconds > 0 else None

    def _show(self, now):
        self.shown = True
        parts = [f"{self.done}/{self.total} {self.unit}", f"{clock(now - self.start)} elapsed"]
        if speed := self._speed(now):
            parts.insert(1, f"{speed:.0f}/s" if speed >= 10 else f"{speed:.1f}/s")
            if self.done < self.total:
                parts.append(f"{clock((self.total - self.done) / speed)} left")
        text = f"{self.description}: {', '.join(parts)}"
        print(
            f"\r{text}\033[K" if self.live else text,
            end="" if self.live else "\n",
            file=sys.stderr,
            flush=True,
        )
