"""Inverse of the information, or why there is none: collinear columns, separation."""

import numpy as np
from scipy.linalg import cho_solve, eigh, lapack, solve_triangular

from ._information import INTERCEPT

# Columns that differ from a combination of others by less than 3e-7 of their size
# count as collinear; squared, for it is the Gram matrix that is looked at.
SINGULAR = 1e-13
# Where logits move by less than this part of what the columns' parts do, it is the
# columns that cancel each other and not the rows that are certain.
NEARLY = 1e-5
# Names in an error, before it says how many more there are.
LISTED = 8


def checked_inverse(likelihood, H, names, classes):
    """Inverse of the information plus the penalty's curvature, (N, N).

    Raises
    ------
    ValueError
        It has none; says which columns or which class are to blame.
    """
    if not np.isfinite(H).all():
        raise ValueError("the information overflows: scale the features.")
    covariance = _inverse(H)
    if covariance is not None:
        return covariance
    gram = likelihood.gram()
    sentences = _collinear_columns(likelihood, gram, names)
    direction = _flattest(likelihood, H)
    least, most = likelihood.margins(direction)
    margins = np.maximum(np.abs(least), np.abs(most))
    if not sentences:
        size = np.abs(direction) * np.sqrt(np.diag(gram) / likelihood.weight.sum())
        if margins.max() < NEARLY * size.max():
            involved = np.flatnonzero(size.max(axis=0) > 1e-3 * size.max())
            nearly = listed(names[j] for j in involved)
            sentences = [f"the columns {nearly} are nearly collinear"]
    if sentences:
        raise ValueError(
            f"the information is singular: {'; '.join(sentences)}. Leave columns out, "
            "or fit with a finite C."
        )
    raise ValueError(_separation(classes, _most_apart(margins)))


def check_separation(likelihood, step, classes):
    """Raise if Newton's step, (N,), is one that makes the likelihood rise for ever.

    At an optimum the step is rounding noise. Along a direction in which no row
    loses and some gain there is none (Albert and Anderson, 1984), and Newton's step
    takes that direction, by about one logit however far one is.
    """
    p = likelihood.n_columns
    direction = np.vstack([np.zeros(p), step.reshape(-1, p)])
    least, most = likelihood.margins(direction)
    if most.max() > 0.1 and least.min() >= -0.01 * most.max():
        raise ValueError(_separation(classes, _most_apart(most)))


def check_doubt(likelihood, theta, classes):
    """Raise where the probabilities tell a class from the others without a doubt.

    For rows whose labels are not known. At an optimum the residuals of a class sum
    to zero, so that one row on the wrong side, whose residual is more than a half,
    leaves doubts of a half at least in the others.
    """

    def block(rows, X):
        P = likelihood.loss.proba(likelihood.logits(rows, likelihood.design(X), theta))
        return (np.minimum(P, 1 - P) @ likelihood.weight[rows],)

    flops = 2 * len(theta) * likelihood.rows.entries
    (doubt,) = likelihood.rows.sum(block, flops)
    if doubt.min() < 0.5:
        raise ValueError(_separation(classes, np.flatnonzero(doubt < 0.5)))


def _separation(classes, codes):
    labels = ", ".join(str(label) for label in classes[codes])
    return (
        f"separated: the features tell rows of class {labels} from the others without "
        "a doubt, so the coefficients without a penalty are infinite. Fit with a "
        "finite C, or leave out the feature that tells."
    )


def _inverse(H):
    """Inverse of a symmetric positive definite matrix, None where it has none."""
    diagonal = np.diag(H)
    if not (diagonal > 0).all():
        return None
    root = 1 / np.sqrt(diagonal)
    # of unit diagonal, so that neither units nor class sizes count
    scaled = H * root[:, None] * root
    factor, failed = lapack.dpotrf(scaled, lower=False)
    if failed:
        return None
    rcond, _ = lapack.dpocon(factor, np.abs(scaled).sum(axis=0).max())
    if rcond < SINGULAR:
        return None
    return cho_solve((factor, False), np.eye(len(H))) * root[:, None] * root


def _collinear_columns(likelihood, gram, names):
    """Sentences on the columns that are combinations of others; [] if there are none.

    Pivoted Cholesky of the Gram matrix takes independent columns first.
    """
    root = np.sqrt(np.diag(gram))
    root = np.divide(1, root, out=np.zeros_like(root), where=root > 0)
    constant = np.zeros(len(root), dtype=bool)  # zero, but for the shift
    constant[len(root) - len(likelihood.shift) :] = likelihood.shift != 0
    constant &= root == 0
    if likelihood.fit_intercept:
        root[0] *= 2  # so that it comes first, and the others depend on it
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
    """Of the (K, K) margins, the classes that stand apart from the most others."""
    apart = np.maximum(margins, margins.T) > 0.1 * margins.max()
    n_apart = apart.sum(axis=1)
    return np.flatnonzero(n_apart == n_apart.max())


def _flattest(likelihood, H):
    """Where the likelihood is flattest, by H's least eigenvector: (K, p)."""
    root = np.sqrt(np.maximum(np.diag(H), np.finfo(float).tiny))
    scaled = H / root[:, None] / root
    vector = eigh(scaled, subset_by_index=[0, 0])[1][:, 0] / root
    p = likelihood.n_columns
    return np.vstack([np.zeros(p), vector.reshape(-1, p)])


def listed(names):
    """The first names in words, and how many more there are."""
    names = list(names)
    text = ", ".join(repr(name) for name in names[:LISTED])
    return text + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
