"""Cross-entropy of every iris: minus the log of what its own species was given."""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris

from sk_softmax import SoftmaxClassifier

iris = load_iris()
X, y = iris.data, iris.target
proba = SoftmaxClassifier().fit(X, y).predict_proba(X)
own = proba[np.arange(len(y)), y]

figure, (top, strips) = plt.subplots(
    2, 1, figsize=(8, 4.8), sharex=True, height_ratios=[3, 1]
)
p = np.linspace(0.05, 1, 300)
top.plot(p, -np.log(p), color="black", linewidth=1.5)
top.axhline(np.log(3), color="0.5", linestyle="--", linewidth=1)
top.text(1, np.log(3) + 0.06, "1/3 for each species: log 3 = 1.10", ha="right")
for flower, at, text in [
    (83, (0.4, 1.9), "flower 83, the greatest surprise"),
    (70, (0.5, 1.45), "flower 70"),
    (0, (0.85, 0.6), "flower 0"),
]:
    loss = -np.log(own[flower])
    top.plot(own[flower], loss, "os"[y[flower]], color=f"C{y[flower]}", markersize=9)
    line = {"arrowstyle": "-", "color": "0.4", "shrinkB": 5, "relpos": (0, 0)}
    top.annotate(f"{text}: {loss:.2f}", (own[flower], loss), at, arrowprops=line)
top.set(ylabel="cross-entropy (nats)", ylim=(-0.1, 2.6))

for k, marker in enumerate("os^"):
    strips.plot(
        own[y == k],
        np.full((y == k).sum(), k),
        marker,
        color=f"C{k}",
        markeredgecolor="white",
        markersize=8,
    )
strips.set(
    xlabel="probability that the model said for the flower's own species",
    yticks=range(3),
    yticklabels=iris.target_names,
    xlim=(0, 1.02),
    ylim=(2.5, -0.5),
)
