"""Writes by_scipy.csv: rate ratios with their exact 95 % intervals, by scipy.stats.beta, checked against mpmath.

    python3 -m venv venv && venv/bin/pip install scipy mpmath && venv/bin/python by_scipy.py > by_scipy.csv

Each row: events and periods before, events and periods after, ratio, low, high. Each end is computed from the smaller of its
share and of what the share leaves, as subtracting from 1 would lose digits.
"""

import mpmath
from scipy.stats import beta

TAIL = 0.025
EVENTS = [0, 1, 2, 3, 5, 9, 10, 11, 30, 100, 321, 1_000, 9_999, 123_456, 1_000_000]
PERIODS = [(12, 12), (1, 12), (400, 7), (3, 400)]


def odds(share, rest):
    return share / rest


def row(x1, n1, x2, n2):
    scale = n1 / n2
    low = 0.0
    if x2:
        low = odds(beta.ppf(TAIL, x2, x1 + 1), beta.isf(TAIL, x1 + 1, x2)) * scale
    high = odds(beta.isf(TAIL, x2 + 1, x1), beta.ppf(TAIL, x1, x2 + 1)) * scale
    return x2 / x1 * scale, float(low), float(high)


def check(x1, x2, low, high, scale):
    """Puts both ends back into the incomplete beta function."""
    mpmath.mp.dps = 30
    if x2:
        o = mpmath.mpf(low) / scale
        p = o / (1 + o)
        share = mpmath.betainc(x2, x1 + 1, 0, p, regularized=True)
        assert abs(share - TAIL) < 1e-10, (x1, x2, share)
    o = mpmath.mpf(high) / scale
    rest = 1 / (1 + o)
    share = mpmath.betainc(x1, x2 + 1, 0, rest, regularized=True)
    assert abs(share - TAIL) < 1e-10, (x1, x2, share)


def main():
    print("events_before,periods_before,events_after,periods_after,ratio,low,high")
    for x1 in EVENTS[1:]:
        for x2 in EVENTS:
            n1, n2 = PERIODS[(x1 + x2) % len(PERIODS)]
            ratio, low, high = row(x1, n1, x2, n2)
            if x1 + x2 <= 2_000:
                check(x1, x2, low, high, n1 / n2)
            print(f"{x1},{n1},{x2},{n2},{ratio!r},{low!r},{high!r}")


if __name__ == "__main__":
    main()
