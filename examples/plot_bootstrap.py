"""
The bootstrap for a lasso
=========================

A coefficient of the lasso is exactly zero in some samples and not in others, so that it
has no standard error in the usual sense, and `infer` refuses. Fitting it again to
resampled rows shows how much it varies, and how often it is in.
"""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

from sk_softmax import SoftmaxClassifier
from sk_softmax.display import CoefficientDisplay
from sk_softmax.inference import infer

wine = load_wine()
X, y = StandardScaler().fit_transform(wine.data), wine.target
names = [name.split("_of_diluted")[0].replace("_", " ") for name in wine.feature_names]
lasso = SoftmaxClassifier(C=0.1, l1_ratio=1).fit(X, y)
try:
    infer(lasso, X, y)
except ValueError as error:
    print(textwrap.fill(str(error), 80))

# %%
# Three hundred samples of 178 wines, drawn with replacement. C is held: the intervals
# do not contain how it was chosen. They are intervals of what the lasso does, shrinkage
# included, and not of what is true: near zero the bootstrap of a lasso does not reach
# its nominal coverage.

rng = np.random.default_rng(0)
fits = []
for _ in range(300):
    rows = rng.integers(len(y), size=len(y))
    fits.append(SoftmaxClassifier(C=0.1, l1_ratio=1).fit(X[rows], y[rows]).coef_)
fits = np.array(fits)
lower, upper = np.quantile(fits, [0.025, 0.975], axis=0)

CoefficientDisplay(
    lasso.coef_,
    classes=wine.target_names,
    feature_names=names,
    lower=lower,
    upper=upper,
    label="Coefficient, and where 95 % of the resampled ones are",
).plot()
plt.show()

# %%
# In how many of the samples a feature is in, for each class. What is in nearly always
# can be relied on. What is in half of the time may be one of several that say the same.

share = (fits != 0).mean(axis=0)
figure, axis = plt.subplots(figsize=(8, 3.4))
image = axis.imshow(share, cmap="cividis", vmin=0, vmax=1, aspect="auto")
for (k, j), value in np.ndenumerate(share):
    axis.text(
        j,
        k,
        f"{value:.0%}",
        ha="center",
        va="center",
        color="black" if value > 0.5 else "white",
        fontsize=9,
    )
axis.set(yticks=range(3), yticklabels=wine.target_names)
axis.set_xticks(range(len(names)), names, rotation=40, ha="right")
axis.spines[:].set_visible(False)
plt.show()
