"""Some of the rows: a start near the optimum where there are many.

The optimum of m rows drawn at random is about N / (2 m) above that of all n, with
N coefficients, and their Hessian is all rows' up to sqrt(N / m). So a fit to m << n
rows, at m / n of the price, leaves a few passes over all rows to be done. What the
sample does not hold it cannot know: where a class or a feature is rare, a fit starts
without one.
"""

import numpy as np

from ._cost import CALL_FLOPS
from ._frame import Frame, moments

# The rows that are drawn, at least and at most, as parts of all of them.
LEAST_PART, MOST_PART = 1 / 16, 1 / 8
# How many of the sample's rows a class needs for each of its coefficients.
ROWS_PER_COEF = 10
# What the sample's features may take in memory.
MAX_SAMPLE_BYTES = 2**24
# A pass has to cost this many calls from Python at least, for fewer rows to save any.
WORTHWHILE_CALLS = 20
# How far a feature's mean in the sample may be from that in all rows, in the sample's
# standard errors.
STANDARD_ERRORS = 5


def draw(problem):
    """A sample of the rows that has all the problem's classes and features.

    Returns
    -------
    sample : Problem, or None where it does not pay or some are too rare
    frame : Frame of all rows, or None where it was not needed
    """
    n, d = problem.rows.shape
    penalty = problem.penalty
    # without a ridge a direction in which the sample does not vary would never move
    applies = penalty.is_smooth and penalty.ridge.min() > 0
    if not applies or problem.pass_flops < WORTHWHILE_CALLS * CALL_FLOPS:
        return None, None
    mass = problem.class_mass()
    least = ROWS_PER_COEF * (d + 1) / max(mass.min() / problem.total_weight, 1e-300)
    row_bytes = problem.rows.dtype.itemsize * problem.rows.entries / n
    most = min(MOST_PART * n, MAX_SAMPLE_BYTES / row_bytes)
    if least > most:
        return None, None
    m = int(min(max(LEAST_PART * n, least), most))
    sample = problem.sample(_one_of_each_run(n, m))
    expected, found = m / n * mass, sample.class_mass()
    if not ((expected / 2 <= found) & (found <= 2 * expected)).all():
        return None, None  # a few rows have much of the weight
    frame = Frame(problem)
    frame.hold_constants()
    if not _has_the_mean(sample, frame):
        return None, frame
    return sample, frame


def _one_of_each_run(n, m):
    """Rows drawn at random, one from each of m runs that n rows are cut into."""
    bounds = np.linspace(0, n, m + 1).astype(int)
    return np.random.default_rng(0).integers(bounds[:-1], bounds[1:])


def _has_the_mean(sample, frame):
    """Whether the sample's features have the mean of all rows, up to chance.

    A feature that is constant in the sample, but not in all rows, does not: it has no
    spread there that would allow for a difference.
    """
    sums = sample.sum(_moments, (frame,), sample.pass_flops)
    mean, square = (total / sample.total_weight for total in sums)
    centre = 0 if sample.rows.is_sparse else frame.centre
    expected = (frame.mean - centre) * frame.scale
    chance = np.sqrt(square / sample.rows.shape[0])
    return (abs(mean - expected) <= STANDARD_ERRORS * chance).all()


def _moments(problem, rows, X, frame):
    return moments(problem, X, frame, problem.weights(rows))
