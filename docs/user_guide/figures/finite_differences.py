"""Central differences of the cross-entropy against p - t, over the step."""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import log_softmax, softmax

z = np.array([-3.58, 1.67, 1.91])
t = np.array([0.0, 1.0, 0.0])
steps = 10.0 ** np.arange(-12, 0.1, 0.5)


def loss(z):
    return -t @ log_softmax(z)


errors = [
    max(
        abs((loss(z + h * e) - loss(z - h * e)) / (2 * h) - (softmax(z) - t) @ e)
        for e in np.eye(3)
    )
    for h in steps
]

figure, axis = plt.subplots(figsize=(7, 3.6))
axis.loglog(steps, errors, "o-", color="C0")
axis.set(xlabel="step h", ylabel="greatest difference from p - t", ylim=(1e-13, 1e-1))
axis.text(1e-10, 3e-4, "rounding\ngrows as 1 / h", ha="center")
axis.text(4e-4, 3e-4, "the formula's error\nfalls as h squared", ha="center")
