"""One pass over a stream against a fit on all rows.

    python -m benchmarks.stream [--data FOLDER] [--only NAME ...] [--batch 1000 100]

Rows are shuffled once, and pass by once, raw, in batches. Printed: the log-loss on all
rows of `fit`, the part by which that of `partial_fit` exceeds it, the same for
SGDClassifier(loss="log_loss", average=True) in the same batches, and the CPU time of
`partial_fit` a row. SGD is favoured: its features are standardised with the moments of
all rows, and it has the best of six settings. Its probabilities are one class against
the rest. Nearly separable data have a log-loss
near zero, of which a percent is little; the last column is the excess relative to what
the features gain over the class frequencies.
"""

import argparse
import time
import warnings

import numpy as np
from scipy import sparse
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks import datasets
from sk_softmax import SoftmaxClassifier

SETTINGS = [{"alpha": alpha} for alpha in (0.1, 0.01, 0.001)] + [
    {"alpha": 1e-6, "learning_rate": "constant", "eta0": eta0}
    for eta0 in (1, 0.1, 0.01)
]


def one_pass(model, X, y, size, classes):
    """The model after all batches, and its CPU seconds."""
    start = time.process_time()
    for begin in range(0, len(y), size):
        part = slice(begin, begin + size)
        model.partial_fit(X[part], y[part], classes=classes)
    return model, time.process_time() - start


def loss_of(model, X, y, classes):
    """Log-loss, with probabilities of at least 1e-15 for the models that underflow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sums that are 1 up to float32's rounding
        return log_loss(y, model.predict_proba(X), labels=classes)


def sgd(X, y, size, classes):
    """The least log-loss of SGD after one pass."""
    scaled = StandardScaler(with_mean=not sparse.issparse(X)).fit_transform(X)
    losses = []
    for setting in SETTINGS:
        model = SGDClassifier(loss="log_loss", average=True, random_state=0, **setting)
        model, _ = one_pass(model, scaled, y, size, classes)
        losses.append(loss_of(model, scaled, y, classes))
    return min(losses)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data")
    parser.add_argument("--only", nargs="+", default=list(datasets.SHIPPED))
    parser.add_argument("--batch", nargs="+", type=int, default=[1000, 100])
    args = parser.parse_args()
    print(
        f"{'data':16} {'n x d, K':>18} {'fit':>8} {'batch':>6} {'excess':>8} "
        f"{'SGD':>8} {'us a row':>9} {'of gain':>8}"
    )
    for name in args.only:
        X, y = datasets.load(name, args.data)
        order = np.random.default_rng(0).permutation(len(y))
        X, y = X[order], y[order]
        classes = np.unique(y)
        frequency = np.bincount(y) / len(y)
        null = -(frequency @ np.log(frequency))
        best = loss_of(SoftmaxClassifier().fit(X, y), X, y, classes)
        for size in args.batch:
            with threadpool_limits(1):
                model, seconds = one_pass(SoftmaxClassifier(), X, y, size, classes)
                found = loss_of(model, X, y, classes)
                theirs = sgd(X, y, size, classes)
            shape = f"{X.shape[0]} x {X.shape[1]}, {len(classes)}"
            print(
                f"{name:16} {shape:>18} {best:8.4f} {size:6} {found / best - 1:8.2%} "
                f"{theirs / best - 1:8.1%} {1e6 * seconds / len(y):9.0f} "
                f"{(found - best) / (null - best):8.3%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
