"""Softmax of two logits is the sigmoid of their difference."""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import softmax

z1, z2 = np.meshgrid(np.linspace(-4, 4, 201), np.linspace(-4, 4, 201))
p2 = softmax([z1, z2], axis=0)[1]

figure, axis = plt.subplots(figsize=(8, 4.6))
filled = axis.contourf(z1, z2, p2, levels=np.linspace(0, 1, 21), cmap="cividis")
lines = axis.contour(
    z1,
    z2,
    p2,
    levels=[0.05, 0.25, 0.5, 0.75, 0.95],
    colors=["white"] * 3 + ["black"] * 2,
)
axis.clabel(
    lines,
    fmt="%.2f",
    fontsize=10,
    manual=[(-d / 2, d / 2) for d in np.log([1 / 19, 1 / 3, 1, 3, 19])],
)
filled.set_edgecolor("face")  # no seams between the levels
figure.colorbar(filled, ax=axis, label="$p_2$", ticks=[0, 0.25, 0.5, 0.75, 1])
axis.set(xlabel="logit $z_1$", ylabel="logit $z_2$", aspect="equal")
