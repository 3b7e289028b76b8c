"""
A scorecard: coefficients that must not be negative
===================================================

A score that people add up by hand should never go down when a finding gets worse. On
correlated findings a free fit does not respect that: it plays one against the other.
`bounds` make the signs part of the problem.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_softmax import SoftmaxClassifier

data = load_breast_cancer()
X, malignant = data.data, data.target == 0
names = data.feature_names
greater = X[malignant].mean(axis=0) > X[~malignant].mean(axis=0)
X, names = X[:, greater], names[greater]
print(f"{X.shape[1]} of 30 measurements are greater in malignant tumours on average")

# %%
# On average more is worse in each of them. Still a quarter of a free fit's weights say
# the opposite. The lasso within ``bounds=(0, np.inf)`` has none of that and few
# weights, for which it pays in log-loss; its stronger penalty is a part of that.

free = make_pipeline(StandardScaler(), SoftmaxClassifier())
card = make_pipeline(
    StandardScaler(), SoftmaxClassifier(0.3, l1_ratio=1, bounds=(0, np.inf))
)
weights = {}
for title, model in (("free, l2", free), ("scorecard", card)):
    scores = cross_val_score(model, X, malignant, cv=10, scoring="neg_log_loss")
    weights[title] = model.fit(X, malignant)[-1].coef_[0]
    print(
        f"{title:10} {(weights[title] != 0).sum():2} weights, "
        f"{(weights[title] < 0).sum():2} negative, "
        f"log-loss of unseen tumours {-scores.mean():.3f}"
    )

figure, axis = plt.subplots(figsize=(8, 6))
order = weights["free, l2"].argsort()
for (title, weight), marker in zip(weights.items(), "os", strict=True):
    axis.plot(weight[order], range(len(order)), marker, label=title)
axis.axvline(0, color="0.5", linewidth=1)
axis.set(
    yticks=range(len(order)),
    yticklabels=names[order],
    xlabel="weight of one standard deviation",
)
axis.legend(loc="lower right")
plt.show()

# %%
# The card. Ten points are a doubling of the odds; here they have a decimal.

weight = card[-1].coef_[0]
points = 10 / np.log(2) * weight / card[0].scale_
for j in np.flatnonzero(weight):
    step = 10.0 ** np.floor(np.log10(X[:, j].std()))
    print(f"{names[j]:22} {points[j] * step:5.1f} points for every {step:g}")

# %%
# A bound can be another number than zero, and differ between features and classes:
# ``bounds={"worst area": (0, 0.01)}`` on a DataFrame.
