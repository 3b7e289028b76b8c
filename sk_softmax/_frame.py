"""Centre and scale of the features."""

from copy import copy

import numpy as np

from ._array_api import dense, dot, full, like

# The rounding of a gradient grows by this part of its feature's distance from zero, in
# units of its size: of a sum over the rows most averages out.
FAR = 0.003


class Frame:
    """Centre and scale of the features.

    Attributes
    ----------
    mean : float64 ndarray of shape (d,)
    centre, scale : float64 ndarrays of shape (d,)
        ``(x - centre) * scale`` is at most 1 in size. Without an intercept the centre
        is zero, else the mean.
    constant : bool ndarray of shape (d,)
        Features that beside an intercept are constant, up to rounding.
    rounding : float64 ndarray of shape (d,)
        What rounding may make of gradients of size one: more, where features are far
        from zero.
    """

    def __init__(self, problem):
        rows = problem.rows
        least, most = rows.range()
        with np.errstate(over="ignore"):
            mean = problem.feature_mean()
        finite = np.isfinite(mean)
        if not finite.all():
            wider = ", or pass X as float64" if rows.dtype == np.float32 else ""
            j = int(np.argmin(finite))
            if np.isnan(least[j]):
                raise ValueError(f"X's feature {j} contains NaN: impute it.")
            raise ValueError(
                f"X's feature {j} is so large that its sum overflows in {rows.dtype}: "
                f"divide it by a constant{wider}."
            )
        with np.errstate(over="ignore", divide="ignore"):
            # clipped, so that a constant column becomes exactly zero
            self.mean = np.clip(mean, least, most)
            if problem.fit_intercept:
                self.centre = self.mean
                size = np.maximum(most - self.centre, self.centre - least)
            else:
                self.centre = np.zeros(rows.shape[1])
                size = np.maximum(most, -least)
            # A constant column has no size: its scale is 1. Past these scales a ridge
            # in the frame's units would overflow; it is all the curvature that so small
            # a feature has.
            most_scale = min(1e120, np.finfo(rows.dtype).max / 4)
            self.scale = np.clip(1 / np.where(size > 0, size, 1), 1e-305, most_scale)
        rounding = 4 * np.finfo(rows.dtype).eps * np.maximum(most, -least)
        self.constant = problem.fit_intercept & (most - least <= rounding)
        if rows.is_sparse:  # an entry may be held in parts: only zeros are certain
            self.constant &= (least == 0) & (most == 0)
        far = np.maximum(FAR * np.abs(self.mean) * self.scale, 1.0)
        self.rounding = np.finfo(rows.dtype).eps * far
        _refuse_tiny(problem, size, self.constant)

    def only(self, features):
        """The same of some features, (d,) bool."""
        some = copy(self)
        for name in "mean", "centre", "scale", "constant", "rounding":
            setattr(some, name, getattr(self, name)[features])
        return some

    def hold_constants(self):
        """Keep coefficients of constant features where they are.

        Their gradient is rounding, which for features far from zero is enough to move
        them.
        """
        self.scale[self.constant] = 1e-305  # whose square, the curvature, is zero

    def gradient(self, G):
        """The gradient by coefficients in the frame, (K, d), from one (K, d + 1)."""
        return (G[:, :-1] - G[:, -1:] * self.centre) * self.scale

    def __call__(self, X, features=slice(None)):
        """A block X in the frame, dense (m, d); `features` are those of its columns."""
        Z = dense(X)
        Z = Z - like(self.centre, Z)[features]
        Z *= like(self.scale, Z)[features]
        return Z


def _refuse_tiny(problem, size, constant):
    """Raise where a feature is so small that its curvature underflows, unpenalised."""
    dtype = problem.rows.dtype
    tiny = (size > 0) & (size < (1e-35 if dtype == np.float32 else 1e-250))
    if tiny.any():
        tiny &= ~(constant | problem.penalty.holds)
    if tiny.any():
        wider = ", or pass X as float64" if dtype == np.float32 else ""
        raise ValueError(
            f"X's feature {int(np.argmax(tiny))} is at most {size[tiny][0]:.0e} from "
            f"its mean, so small that its curvature underflows in {dtype}, and nothing "
            f"penalises it: multiply it by a constant{wider}."
        )


def moments(problem, X, frame, weights):
    """Sums of a block's features in the frame and of their squares, (q, d) each.

    With the weights (q, m). Sparse features are scaled, but not centred.
    """
    if problem.rows.is_sparse:
        Z = X.copy()
        Z.sum_duplicates()  # the square of an entry is that of its parts' sum
        Z.data = Z.data * frame.scale[Z.indices].astype(Z.dtype)
        square = Z.copy()
        square.data = Z.data**2
    else:
        Z = frame(X)
        square = Z * Z
    return dot(weights, Z), dot(weights, square)


def framed(problem, X, frame, features=slice(None)):
    """A block's features in the frame and a one for the intercept, (d + 1, m)."""
    # without an intercept its row is zero, so that it does not move
    Z = full((X.shape[1] + 1, X.shape[0]), problem.fit_intercept, X)
    Z[:-1, :] = frame(X, features).T
    return Z
