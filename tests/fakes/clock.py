"""A clock that stands until somebody sleeps: an hour of retries takes no time, and a test can read how long it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

BEGIN = datetime(2026, 3, 1, 2, 0, 0, tzinfo=UTC)


class SimulatedClock:
    """A Clock. `slept` has every wait in seconds; `jitter` is always the middle unless told otherwise.

    `touched` is called before each question with its name, and may raise: so can a simulated signal or death.
    """

    def __init__(
        self,
        jitter: Callable[[], float] = lambda: 0.5,
        touched: Callable[[str], None] = lambda _: None,
        passed: float = 0.0,
    ) -> None:
        self.slept: list[float] = []
        self.passed = passed  # seconds since BEGIN
        self._jitter = jitter
        self._touched = touched

    def advance(self, seconds: float) -> None:
        """Lets time pass, as it does while somebody answers slowly."""
        self.passed += seconds

    def now(self) -> datetime:
        """BEGIN and what has passed."""
        self._touched("now")
        return BEGIN + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        """Seconds that have passed."""
        self._touched("monotonic")
        return self.passed

    def sleep(self, seconds: float) -> None:
        """Returns at once, `seconds` later."""
        self._touched("sleep")
        self.slept.append(seconds)
        self.passed += seconds

    def jitter(self) -> float:
        """As it was given."""
        return self._jitter()
