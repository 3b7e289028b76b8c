"""Data sets by name: raw, unscaled, float64, classes coded 0 to K - 1.

===================================  =============================================
name                                 what
===================================  =============================================
iris, wine, digits, breast_cancer    shipped with scikit-learn
NAME                                 a file of the folder given: ``NAME.npz`` with X
                                     and y, or ``NAME.X.npz`` (scipy.sparse) beside
                                     ``NAME.y.npz``
openml:NAME                          downloaded by ``fetch_openml``, numbers only
synthetic:n=1000,d=10,K=3,density=1  made, see `synthetic`
===================================  =============================================

Names are all that goes to the worker processes, which load the data themselves.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import sparse

SHIPPED = ("iris", "wine", "breast_cancer", "digits")


def names(folder=None, sparse_ones=False):
    """Names of the dense data sets, or of the sparse ones.

    Parameters
    ----------
    folder : path or None
        Folder of .npz files, without which there are only scikit-learn's.
    sparse_ones : bool

    Returns
    -------
    list of str
        scikit-learn's first, then the folder's in alphabetical order.
    """
    files = [p.name for p in sorted(Path(folder).glob("*.npz"))] if folder else []
    if sparse_ones:
        return [f.removesuffix(".X.npz") for f in files if f.endswith(".X.npz")]
    in_folder = [f.removesuffix(".npz") for f in files if f.count(".") == 1]
    return [*SHIPPED, *in_folder]


@lru_cache(maxsize=2)
def load(name, folder=None):
    """X and y.

    Parameters
    ----------
    name : str
        See the table above.
    folder : str or None

    Returns
    -------
    X : float64 ndarray in C order, or CSR matrix, of shape (n, d)
    y : int64 ndarray of shape (n,)
        Codes of the sorted classes.
    """
    X, y = _raw(name, folder)
    if sparse.issparse(X):
        X = sparse.csr_matrix(X, dtype=np.float64)
    else:
        X = np.ascontiguousarray(X, dtype=np.float64)
    return X, np.unique(y, return_inverse=True)[1].astype(np.int64)


def _raw(name, folder):
    if name in SHIPPED:
        import sklearn.datasets

        return getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)
    kind, _, rest = name.partition(":")
    if kind == "synthetic":
        options = dict(option.split("=") for option in rest.split(","))
        return synthetic(**{key: float(value) for key, value in options.items()})
    if kind == "openml":
        from sklearn.datasets import fetch_openml

        return fetch_openml(rest, return_X_y=True, as_frame=False)
    if folder is None:
        raise ValueError(f"data set {name!r} needs the folder that holds it: --data")
    folder = Path(folder)
    if (folder / f"{name}.npz").exists():
        data = np.load(folder / f"{name}.npz")
        return data["X"], data["y"]
    if (folder / f"{name}.X.npz").exists():
        y = np.load(folder / f"{name}.y.npz")["y"]
        return sparse.load_npz(folder / f"{name}.X.npz"), y
    raise ValueError(f"no {name}.npz and no {name}.X.npz in the folder of --data")


def synthetic(n=1000, d=10, K=3, density=1.0, spread=3.0, seed=0):
    """Features whose scales differ, correlated, with classes that overlap.

    Parameters
    ----------
    n, d, K : int
    density : float
        Below 1, the part of the entries that is not zero, in a CSR matrix.
    spread : float
        Decades between the features' smallest and greatest scale.
    seed : int

    Returns
    -------
    X : ndarray or CSR matrix of shape (n, d)
    y : int ndarray of shape (n,)
        All K classes occur.
    """
    n, d, K = int(n), int(d), int(K)
    rng = np.random.default_rng(int(seed))
    scales = 10 ** rng.uniform(-spread / 2, spread / 2, d)
    if density < 1:
        per_row = rng.binomial(d, density, n)
        indptr = np.concatenate([[0], np.cumsum(per_row)])
        # with replacement, duplicates are summed: as fast as the data are large
        indices = rng.integers(0, d, indptr[-1])
        X = sparse.csr_matrix((rng.exponential(size=indptr[-1]), indices, indptr))
        X.resize(n, d)
        X.sum_duplicates()
        X = X @ sparse.diags(scales)
    else:
        X = rng.standard_normal((n, d))
        common = rng.standard_normal(d)
        step = max(1, 2**22 // d)  # in place and in blocks: n d may be large
        for start in range(0, n, step):
            block = X[start : start + step]
            block += 0.5 * block[:, :1] * common
            block *= scales
    coef = rng.standard_normal((d, K)) / scales[:, None] / np.sqrt(d * density)
    y = np.empty(n, dtype=np.int64)
    step = max(1, 2**22 // K)
    for start in range(0, n, step):
        logits = np.asarray(X[start : start + step] @ coef)
        y[start : start + step] = (logits + rng.gumbel(size=logits.shape)).argmax(1)
    y[:K] = np.arange(K)
    return sparse.csr_matrix(X) if density < 1 else X, y
