"""
Four coordinate systems
=======================

The solver is L-BFGS (on few rows the default takes Newton steps instead). What differs
is its :term:`coordinates`, combinations of the coefficients that change the objective
about alike: from the whole Hessian, from its blocks of one class, from its nearest
Kronecker product, or from its diagonal. The default, ``solver="auto"``, takes what is
cheapest for the problem. The result is the same.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer, load_digits

from sk_softmax import SoftmaxClassifier
from sk_softmax.display import ConvergenceDisplay

# %%
# Thirty measurements in their own units, from 0.001 to 4,254, many of them nearly
# collinear. The diagonal mends the units and not the correlations.

figure, axes = plt.subplots(1, 2, figsize=(8, 4), sharey=True)
for axis, load in zip(axes, (load_breast_cancer, load_digits), strict=True):
    X, y = load(return_X_y=True)
    for solver in ("hessian", "blocks", "kronecker", "diagonal"):
        model = SoftmaxClassifier(solver=solver).fit(X, y)
        ConvergenceDisplay.from_estimator(model, X, y, ax=axis)
        print(
            f"{load.__name__[5:]:13} {solver:9} {model.n_iter_[0]:3} passes, "
            f"left: {model.optimality_:.0e}"
        )
    n, d = X.shape
    axis.set_title(f"{load.__name__[5:]}: {n} x {d}")
    axis.set_xscale("log")
    axis.label_outer()
plt.show()

# %%
# The passes are those over the data. Making coordinates costs time that is not in the
# picture: the Hessian of the digits, for 10 classes and 64 pixels, is a matrix of
# 585 x 585. So fewer passes need not be faster, which is what "auto" weighs.
