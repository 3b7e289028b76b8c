"""
Raw features converge
=====================

How near to the optimum is a fit on features in their own units, after so many
:term:`passes <pass>` over the data? scikit-learn's `LogisticRegression` minimises the
same objective, so both can be scored by it.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_limits

from sk_softmax import SoftmaxClassifier


def objective(classifier, X, y):
    """Log-loss plus penalty, written independently of both estimators."""
    penalty = (classifier.coef_**2).sum() / (2 * classifier.C * len(y))
    return log_loss(y, classifier.predict_proba(X)) + penalty


# %%
# The score is the *relative suboptimality* (F - F*) / (F0 - F*): the part of what the
# features can gain that a fit has left behind. It is 1 for the class frequencies alone
# and 0 at the optimum. F* comes from `LogisticRegression`'s Newton solver and from
# `SoftmaxClassifier`, both at tiny tolerances.
#
# The passes of `LogisticRegression` are its iterations (each is at least one pass), set
# by `max_iter`, 100 by default; those of `SoftmaxClassifier` are `n_iter_`, which
# counts everything. A point is a fit that was stopped there, or ended by itself.

figure, axes = plt.subplots(2, 2, figsize=(8, 6.2), sharex=True, sharey=True)
loaders = [load_iris, load_wine, load_digits, load_breast_cancer]
for axis, load in zip(axes.flat, loaders, strict=True):
    X, y = load(return_X_y=True)
    frequency = np.bincount(y) / len(y)
    null = -frequency @ np.log(frequency)
    newton = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=1000)
    precise = SoftmaxClassifier(tol=1e-13)
    best = min(objective(model.fit(X, y), X, y) for model in (newton, precise))

    for model, style in [
        (LogisticRegression(), "C1s--"),
        (SoftmaxClassifier(), "C0o-"),
    ]:
        passes, left = [], []
        # lbfgs is at its fastest on one thread here
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore", ConvergenceWarning)
            for max_iter in np.geomspace(5, 1000, 14).astype(int):
                model.set_params(max_iter=max_iter).fit(X, y)
                passes.append(model.n_iter_[0])
                left.append((objective(model, X, y) - best) / (null - best))
        axis.loglog(passes, left, style, label=type(model).__name__)
    axis.axvline(100, color="0.6", linewidth=1)
    n, d = X.shape
    axis.set_title(f"{load.__name__[5:]}: {n} x {d}, {len(frequency)} classes")
    axis.set(xlabel="passes over the data", ylabel="relative suboptimality")
    axis.label_outer()
axes[0, 0].legend()
plt.show()
