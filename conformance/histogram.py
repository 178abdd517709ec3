"""Error ratios as a picture: how many cases came how near to the permitted error."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

# In the units of the picture. Ratios of 0 have a column of their own, since about half of all cases are right to the
# bit; those up to the bound share 24 columns, and what is beyond it a narrower field, in which a mark has room.
HEIGHT = 15
WIDTH = 66
BOUND = 54
MARK = 6
_EXACT = 1
_BEGIN = 5
_STEP = 2
_COLUMNS = (BOUND - 1 - _BEGIN) // _STEP


def bars(ratios: Iterable[float | None]) -> str:
    """The path of an SVG picture: a line for each column that any ratio falls into. ``None`` was not judged.

    Heights grow like the square root of the number, so that one case among hundreds is seen.
    """
    counts = Counter(place(ratio) for ratio in ratios if ratio is not None)
    most = max(counts.values(), default=1)
    return "".join(f"M{x} {HEIGHT}v-{_height(count / most)}" for x, count in sorted(counts.items()))


def _height(share: float) -> int:
    return max(1, round((HEIGHT - 1) * math.sqrt(share)))


def place(ratio: float) -> int:
    """Where a ratio is: linear up to the bound, behind it twice the bound in the middle and infinity at the end."""
    if ratio == 0.0:
        return _EXACT
    if ratio <= 1.0:
        return _BEGIN + 1 + _STEP * min(int(ratio * _COLUMNS), _COLUMNS - 1)
    beyond = 1.0 if math.isnan(ratio) else 1.0 - 1.0 / ratio
    return round(BOUND + MARK / 2 + (WIDTH - BOUND - MARK) * beyond)
