"""
Crowd labels as soft targets
============================

Five people label a picture, and they disagree. The majority's label throws away how
much. `fit` takes the votes themselves, one column a class.

The digits are real. The votes are drawn: the poorer the image, the more often a vote is
for another digit that looks like it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sk_softmax import SoftmaxClassifier

X, y = load_digits(return_X_y=True)
rng = np.random.default_rng(0)
train = np.arange(len(y)) % 2 == 0

# %%
# A vote is drawn from what a model of other pictures thinks of the picture, at a high
# temperature.

teacher = SoftmaxClassifier(0.01).fit(X[~train], y[~train])
doubt = 0.35 * teacher.decision_function(X)
doubt = np.exp(doubt - doubt.max(axis=1, keepdims=True))
doubt /= doubt.sum(axis=1, keepdims=True)
votes = np.array([rng.multinomial(5, p) for p in doubt])
majority = votes.argmax(axis=1)
print("votes for picture 0:", votes[0], "it is a", y[0])
print(f"right votes: {votes[np.arange(len(y)), y].mean() / 5:.0%}")
print(f"right majorities: {(majority == y).mean():.0%}")

# %%
# Two models of the same pictures, and two measures of both on the others: the
# cross-entropy of the votes there, and the accuracy.

sizes = [60, 120, 240, 480, 898]
losses = {"votes": [], "majority": []}
accuracy = {"votes": [], "majority": []}
for n in sizes:
    rows = np.flatnonzero(train)[:n]
    soft = SoftmaxClassifier(0.01).fit(X[rows], votes[rows])
    # as many rows as there are votes, so that the penalty counts the same
    weight = np.full(n, 5)
    hard = SoftmaxClassifier(0.01, classes=range(10))
    hard.fit(X[rows], majority[rows], weight)
    for name, model in (("votes", soft), ("majority", hard)):
        losses[name].append(-model.score(X[~train], votes[~train]))
        accuracy[name].append(model.score(X[~train], y[~train]))

figure, axes = plt.subplots(1, 2, figsize=(8, 3.6))
for name, marker in zip(losses, "os", strict=True):
    axes[0].plot(sizes, losses[name], marker + "-", label=f"fitted to {name}")
    axes[1].plot(sizes, accuracy[name], marker + "-", label=f"fitted to {name}")
best = -(doubt[~train] * np.log(doubt[~train])).sum(axis=1).mean()
axes[0].axhline(best, color="0.5", linestyle="--", linewidth=1)
axes[0].set(ylabel="cross-entropy of others' votes", xlabel="pictures", ylim=(1.4, 3.1))
axes[1].set(ylabel="accuracy on other pictures", xlabel="pictures")
for axis in axes:
    axis.set_xscale("log")
    axis.set_xticks(sizes, sizes)
    axis.minorticks_off()
axes[0].legend(loc="upper right", bbox_to_anchor=(1, 0.65))
plt.show()

# %%
# The dashed line is the least cross-entropy possible, that of the probabilities the
# votes were drawn from. The majority's model is surer of itself than the people are.

for name in losses:
    print(f"{name:8} cross-entropy {losses[name][-1]:.3f}")
