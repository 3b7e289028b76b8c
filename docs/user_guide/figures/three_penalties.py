"""Coefficients of the wines under three penalties: l2, lasso, grouped lasso."""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

from sk_softmax import SoftmaxClassifier

wine = load_wine()
X, y = StandardScaler().fit_transform(wine.data), wine.target
models = {
    "l2": SoftmaxClassifier(0.1),
    "lasso": SoftmaxClassifier(0.1, l1_ratio=1),
    "grouped lasso": SoftmaxClassifier(0.1, l1_ratio=1, penalty_group="class"),
}
figure, axes = plt.subplots(3, 1, figsize=(8, 5.4), sharex=True)
for axis, (title, model) in zip(axes, models.items(), strict=True):
    coef = model.fit(X, y).coef_
    image = axis.imshow(coef, cmap="PuOr", vmin=-1.2, vmax=1.2, aspect="auto")
    for k, j in np.argwhere(coef == 0):
        axis.plot(j, k, ".", color="0.5", markersize=4)
    used = (coef != 0).any(axis=0).sum()
    axis.set(
        title=f"{title}: {(coef != 0).sum()} coefficients of {used} features",
        yticks=range(3),
        yticklabels=wine.target_names,
    )
    axis.spines[:].set_visible(False)
names = [
    name.replace("od280/od315_of_diluted_wines", "od280/od315").replace("_", " ")
    for name in wine.feature_names
]
axes[-1].set_xticks(range(13), names, rotation=40, ha="right", rotation_mode="anchor")
figure.colorbar(image, ax=axes, label="coefficient", extend="both")
