"""Irises with five votes each: what the votes' model and the majority's say."""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris

from sk_softmax import SoftmaxClassifier

X, y = load_iris(return_X_y=True)
X, y = X[50:, 2:3], y[50:]  # length of the petals, versicolor and virginica
rng = np.random.default_rng(0)
virginica = rng.binomial(5, 0.2 + 0.6 * (y == 2))
votes = np.column_stack([5 - virginica, virginica])

soft = SoftmaxClassifier(C=np.inf).fit(X, votes)
hard = SoftmaxClassifier(C=np.inf).fit(X, votes.argmax(axis=1))
figure, axis = plt.subplots(figsize=(8, 4))
jitter = rng.uniform(-0.03, 0.03, 100)
for k, marker, name in ((1, "s", "versicolor"), (2, "^", "virginica")):
    own = y == k
    axis.plot(
        X[own, 0] + jitter[own],
        virginica[own] / 5 + jitter[own] / 2,
        marker,
        color=f"C{k}",
        markersize=6,
        alpha=0.7,
        markeredgecolor="white",
        label=f"a {name}'s share of votes",
    )
grid = np.linspace(2.8, 7.2, 200)[:, None]
axis.plot(grid, soft.predict_proba(grid)[:, 1], color="black", label="fit to the votes")
axis.plot(
    grid,
    hard.predict_proba(grid)[:, 1],
    "--",
    color="0.4",
    label="fit to the majorities",
)
axis.set(xlabel="length of the petal (cm)", ylabel="virginica", ylim=(-0.05, 1.05))
axis.legend(loc="upper left", fontsize=10)
