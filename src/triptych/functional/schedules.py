"""Numbers that change with time."""


def linear_schedule(step: int, start: float, end: float, duration: int) -> float:
    """Go from ``start`` at step 0 to ``end`` at step ``duration`` and stay there."""
    if step >= duration:
        return end
    return start + (end - start) * step / duration
