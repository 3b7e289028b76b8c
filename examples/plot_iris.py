"""
A map of three probabilities
============================

Softmax regression on two features of the irises, drawn: every point of the plane has
three probabilities, and the species meet in straight lines.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from sklearn.datasets import load_iris

from sk_softmax import SoftmaxClassifier

iris = load_iris()
X, y = iris.data[:, 2:], iris.target  # length and width of the petals
classifier = SoftmaxClassifier(C=10).fit(X, y)

# %%
# One flower
# ----------
# Its logits are ``coef_ @ x + intercept_``, its probabilities the softmax of these.

flower = X[[70]]
print(f"petal {flower[0, 0]} cm long and {flower[0, 1]} cm wide")
logits = classifier.decision_function(flower)[0]
proba = classifier.predict_proba(flower)[0]
for name, z, p in zip(iris.target_names, logits, proba, strict=True):
    print(f"{name:10}  logit {z:6.2f}  probability {p:.3f}")
print("it is", iris.target_names[y[70]])

# %%
# All flowers
# -----------
# The background mixes the colours of the species by their probabilities. Two species
# are equally probable where their logits are equal, and that is a linear equation in
# the features: the borders (thick) are straight. The thin lines are where the most
# probable species has 0.7 and 0.9.

length, width = np.linspace(0.5, 7.2, 300), np.linspace(-0.2, 2.8, 300)
grid = np.dstack(np.meshgrid(length, width)).reshape(-1, 2)
logits = classifier.decision_function(grid).reshape(300, 300, 3)
proba = classifier.predict_proba(grid).reshape(300, 300, 3)
colours = np.array([to_rgb(f"C{k}") for k in range(3)])
pale = 1 - 0.45 * (1 - proba @ colours)

figure, axis = plt.subplots(figsize=(8, 5))
extent = (length[0], length[-1], width[0], width[-1])
axis.imshow(pale, origin="lower", extent=extent, aspect="auto")
line = {"colors": "black"}
for k in (0, 2):
    lead = logits[..., k] - np.delete(logits, k, axis=2).max(axis=2)
    axis.contour(length, width, lead, [0], linewidths=2, **line)
most = proba.max(axis=2)
thin = axis.contour(length, width, most, [0.7, 0.9], linewidths=0.8, **line)
axis.clabel(thin, fontsize=9)
for k, marker in enumerate("os^"):
    axis.plot(
        *X[y == k].T,
        marker,
        color=f"C{k}",
        markeredgecolor="black",
        markeredgewidth=0.6,
        label=iris.target_names[k],
    )
arrow = {"arrowstyle": "-"}
axis.annotate("flower 70", flower[0], (4.4, 0.6), arrowprops=arrow)
axis.set(xlabel="petal length (cm)", ylabel="petal width (cm)")
axis.legend(loc="upper left")
plt.show()
