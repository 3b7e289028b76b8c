"""Sigmoid and logit, each the other's mirror image."""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit, logit

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6))
z = np.linspace(-6, 6, 301)
p = np.linspace(0.0025, 0.9975, 400)
marks = np.array([-2.0, 0.0, 1.0])

left.plot(z, expit(z), linewidth=2.5)
left.set(
    title="sigmoid: logit to probability",
    xlabel="logit z",
    ylabel="probability p",
    xticks=range(-6, 7, 2),
)
right.plot(p, logit(p), linewidth=2.5, color="C1")
right.set(
    title="logit: probability to logit",
    xlabel="probability p",
    ylabel="logit z",
    ylim=(-6, 6),
    yticks=range(-6, 7, 2),
)
for mark, marker in zip(marks, "os^", strict=True):
    left.plot(mark, expit(mark), marker, color="black", markersize=8)
    right.plot(expit(mark), mark, marker, color="black", markersize=8)
    left.text(
        mark + 0.45, expit(mark) - 0.03, f"({mark:g}, {expit(mark):.3f})", va="top"
    )
    right.text(
        expit(mark) + 0.03, mark - 0.5, f"({expit(mark):.3f}, {mark:g})", va="top"
    )
