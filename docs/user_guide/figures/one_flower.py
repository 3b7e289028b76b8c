"""One flower's way through the model: features, weights, biases, logits, softmax."""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris

from sk_softmax import SoftmaxClassifier

iris = load_iris()
model = SoftmaxClassifier().fit(iris.data, iris.target)
x = iris.data[70]
logits = model.decision_function([x])[0]
proba = model.predict_proba([x])[0]
features = ["sepal\nlength", "sepal\nwidth", "petal\nlength", "petal\nwidth"]


def cells(axis, numbers, limit, digits, title):
    """Numbers in cells, orange above zero and purple below."""
    axis.imshow(numbers, cmap="PuOr_r", vmin=-limit, vmax=limit, aspect="auto")
    for (row, column), number in np.ndenumerate(numbers):
        axis.text(column, row, f"{number:.{digits}f}", ha="center", va="center")
    axis.set(xticks=[], yticks=[])
    axis.set_title(title)
    axis.spines[:].set_visible(False)


figure, axes = plt.subplots(
    2, 3, figsize=(8, 4.2), width_ratios=[4, 1.3, 2.4], height_ratios=[1, 3]
)
cells(axes[0, 0], x[None], 1e9, 1, "4 features x of flower 70, cm")
axes[0, 0].set_yticks([0], ["x"])
cells(axes[1, 0], model.coef_, 6, 2, "12 weights W: coef_")
axes[1, 0].set_xticks(range(4), features)
axes[1, 0].set_yticks(range(3), iris.target_names)
cells(axes[1, 1], model.intercept_[:, None], 26, 2, "3 biases b:\nintercept_")
axes[0, 1].axis("off")
axes[0, 2].axis("off")
axes[0, 2].text(0.5, 0.5, "z = W x + b\np = softmax(z)", ha="center")

bars = axes[1, 2]
bars.barh(range(3), logits, color=["C0", "C1", "C2"])
bars.axvline(0, color="black", linewidth=1)
for row, (z, p) in enumerate(zip(logits, proba, strict=True)):
    bars.text(2.3, row, f"z = {z:.2f}\np = {p:.3f}", va="center")
bars.set(xlim=(-4.2, 5.5), ylim=(2.5, -0.5), xticks=[-4, -2, 0, 2], yticks=[])
bars.set_xlabel("logit z")
bars.set_title("3 logits, 3 probabilities")
