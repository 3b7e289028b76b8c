"""Every iris in the triangle of probabilities, and one residual as an arrow."""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris

from sk_softmax import SoftmaxClassifier

iris = load_iris()
X, y = iris.data, iris.target
proba = SoftmaxClassifier().fit(X, y).predict_proba(X)
corners = np.array([[0.5, np.sqrt(0.75)], [0, 0], [1, 0]])  # where p is one-hot
points = proba @ corners

figure, axis = plt.subplots(figsize=(8, 5.4))
axis.fill(*corners.T, facecolor="0.96", edgecolor="0.4", linewidth=1)
centre = corners.mean(axis=0)
for a, b in [(0, 1), (0, 2), (1, 2)]:  # where the two greatest are equal
    tie = np.array([centre, (corners[a] + corners[b]) / 2])
    axis.plot(*tie.T, color="0.6", linewidth=1, linestyle="--")
for k, marker in enumerate("os^"):
    axis.scatter(
        *points[y == k].T,
        s=60,
        marker=marker,
        color=f"C{k}",
        edgecolor="white",
        linewidth=0.7,
        label=iris.target_names[k],
        zorder=3,
    )
below = np.array([0, -0.045])
axis.annotate(
    "",
    corners[1] + below,
    points[70] + below,
    arrowprops={"arrowstyle": "-|>", "color": "black", "linewidth": 1.5},
)
axis.plot(*np.array([points[70], points[70] + below]).T, color="black", linewidth=1)
axis.text(points[70, 0] / 2, -0.09, "flower 70: from p to t", ha="center")
axis.text(0.5, 0.89, "setosa (1, 0, 0)", ha="center", va="bottom")
axis.text(-0.03, 0, "versicolor\n(0, 1, 0)", ha="right", va="center")
axis.text(1.03, 0, "virginica\n(0, 0, 1)", ha="left", va="center")
axis.text(centre[0] + 0.02, centre[1] - 0.02, "(1/3, 1/3, 1/3)", va="top")
axis.set(xlim=(-0.25, 1.25), ylim=(-0.12, 0.98), aspect="equal")
axis.axis("off")
axis.legend(title="true species", loc="upper left")
