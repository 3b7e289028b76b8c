"""Softmax as a comparison that can be differentiated, beside the one that cannot."""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import softmax

z = np.linspace(-4, 4, 401)
logits = np.stack([z, np.zeros_like(z), np.full_like(z, -1.0)])

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), sharey=True)

proba = softmax(logits, axis=0)
for k, (style, at, text) in enumerate(
    [
        ("-", (3.0, 0.8), "$p_1$, logit z"),
        ("--", (-2.8, 0.77), "$p_2$, logit 0"),
        (":", (-2.8, 0.32), "$p_3$, logit -1"),
    ]
):
    left.plot(z, proba[k], style, linewidth=2.5)
    left.text(*at, text, ha="center", va="center")
left.set(
    title="one logit moves, all answer",
    xlabel="logit z of the first class",
    ylabel="probability",
    ylim=(-0.03, 1.03),
)

for factor, style in [(1, "-"), (3, "-."), (10, "--")]:
    p = softmax(factor * logits, axis=0)[0]
    right.plot(z, p, style, color="C0", linewidth=2, label=f"softmax({factor} z)")
right.step(z, z > 0, color="black", linewidth=1.2, label="argmax: a step")
right.set(title="sharper, and at last a step", xlabel="logit z")
right.legend(loc="lower right")
