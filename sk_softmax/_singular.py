"""Inverse of the information, or why there is none: collinear columns, separation."""

import numpy as np
from scipy.linalg import cho_solve, eigh, lapack, solve_triangular

from ._information import INTERCEPT
from ._separation import separated

# Columns that differ from a combination of others by less than 3e-7 of their size
# count as collinear. This is its square, as a tolerance for the Gram matrix.
SINGULAR = 1e-13
# The information is flat along a direction either because columns nearly cancel each
# other there, or because the rows' probabilities are saturated. It is the columns if
# they move the logits by less than this part of what each alone does.
NEARLY = 1e-5
# How many names an error lists, before it says how many more there are.
LISTED = 8


def checked_inverse(likelihood, information, curvature, names, classes):
    """Inverse of the information plus the penalty's curvature, (N, N).

    Raises
    ------
    ValueError
        It has none; the error names the collinear columns or the separated classes.
    """
    H = information + curvature
    if not np.isfinite(H).all():
        raise ValueError(
            "the information overflows: divide features by constants, and fit again."
        )
    covariance = _inverse(H)
    if covariance is not None:
        return covariance
    gram = likelihood.gram()
    size = np.sqrt(np.diag(gram) / likelihood.weight.sum())
    held = np.diag(curvature).reshape(-1, len(gram)).min(axis=0) > 0
    gram[held, held] *= 2  # a column that is penalised is no combination of others
    sentences = _collinear_columns(likelihood, gram, names)
    if not sentences:
        direction = _flattest(likelihood, H)
        least, most = likelihood.margins(direction)
        margins = np.maximum(np.abs(least), np.abs(most))
        moves = np.abs(direction) * size
        if margins.max() >= NEARLY * moves.max():
            raise ValueError(separation(classes[_most_apart(margins)]))
        involved = np.flatnonzero(moves.max(axis=0) > 1e-3 * moves.max())
        nearly = listed(names[j] for j in involved)
        sentences = [f"the columns {nearly} are nearly collinear"]
    raise ValueError(
        f"the information is singular: {'; '.join(sentences)}. Leave columns out, or "
        "penalise them: a finite C, and a positive penalty_factor."
    )


def check_separation(problem, theta, likelihood, step, classes):
    """Raise if the likelihood rises for ever along theta or Newton's step, (N,).

    There is no optimum if along some direction no row loses likelihood and some gain
    (Albert and Anderson, 1984). Newton's step then goes in such a direction, and moves
    logits by about one, however far the fit has come, until the residuals round to
    zero. At an optimum it is rounding.
    """
    apart = separated(problem, theta)
    if apart.any():
        raise ValueError(separation(classes[apart]))
    p = likelihood.n_columns
    direction = np.vstack([np.zeros(p), step.reshape(-1, p)])
    least, most = likelihood.margins(direction)
    if most.max() > 0.1 and least.min() >= -0.01 * most.max():
        raise ValueError(separation(classes[_most_apart(most)]))


def separation(classes):
    """The message where these are separated from the others."""
    labels = ", ".join(str(label) for label in classes)
    return (
        f"separated: the features tell rows of class {labels} from the others without "
        "an error, so the coefficients without a penalty are infinite. Fit with a "
        "finite C and a positive penalty_factor, or leave out the features that "
        "separate them."
    )


def _inverse(H):
    """Inverse of a symmetric positive definite matrix, None where it has none."""
    diagonal = np.diag(H)
    if not (diagonal > 0).all():
        return None
    root = 1 / np.sqrt(diagonal)
    # with a unit diagonal, since units and class sizes say nothing about the rank
    scaled = H * root[:, None] * root
    factor, failed = lapack.dpotrf(scaled, lower=False)
    if failed:
        return None
    rcond, _ = lapack.dpocon(factor, np.abs(scaled).sum(axis=0).max())
    if rcond < SINGULAR:
        return None
    return cho_solve((factor, False), np.eye(len(H))) * root[:, None] * root


def _collinear_columns(likelihood, gram, names):
    """A sentence for each column that is a combination of others.

    Pivoted Cholesky of the Gram matrix takes independent columns first.
    """
    root = np.sqrt(np.diag(gram))
    root = np.divide(1, root, out=np.zeros_like(root), where=root > 0)
    constant = np.zeros(len(root), dtype=bool)  # zero once shifted, and not before
    constant[len(root) - len(likelihood.shift) :] = likelihood.shift != 0
    constant &= root == 0
    if likelihood.fit_intercept:
        root[0] *= 2  # the first pivot: others depend on it, and not it on them
    factor, pivot, rank, _ = lapack.dpstrf(gram * root[:, None] * root, tol=SINGULAR)
    pivot -= 1
    sentences = []
    for j in range(rank, len(gram)):
        part = solve_triangular(factor[:rank, :rank], factor[:rank, j])
        others = [names[i] for i in pivot[:rank][np.abs(part) > 1e-6]]
        name = repr(names[pivot[j]])
        if constant[pivot[j]] or others == [INTERCEPT]:
            sentences.append(f"{name} is constant, as the intercept is")
        elif not root[pivot[j]]:
            sentences.append(f"{name} is zero in every row")
        else:
            sentences.append(f"{name} is a linear combination of {listed(others)}")
    return sentences


def _most_apart(margins):
    """Codes of the classes that are apart from the most others, by margins (K, K)."""
    apart = np.maximum(margins, margins.T) > 0.1 * margins.max()
    n_apart = apart.sum(axis=1)
    return np.flatnonzero(n_apart == n_apart.max())


def _flattest(likelihood, H):
    """The direction (K, p) of least curvature: H's least eigenvector."""
    root = np.sqrt(np.maximum(np.diag(H), np.finfo(float).tiny))
    scaled = H / root[:, None] / root
    vector = eigh(scaled, subset_by_index=[0, 0])[1][:, 0] / root
    p = likelihood.n_columns
    return np.vstack([np.zeros(p), vector.reshape(-1, p)])


def listed(names):
    """The first names, comma-separated, and how many more there are."""
    names = list(names)
    text = ", ".join(repr(name) for name in names[:LISTED])
    return text + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
