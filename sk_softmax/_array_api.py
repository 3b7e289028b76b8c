"""Arrays of other libraries than NumPy, and the border to NumPy.

Under scikit-learn's ``array_api_dispatch`` X may be an array of PyTorch, CuPy or
another library of the array API standard, on any device: a *foreign* array. Arrays
with an entry for each row are then computed by X's library, on X's device. All others
are NumPy float64, as everywhere.

Functions of a block of rows are written once, in what NumPy and the standard have in
common. Here is what differs: operations that NumPy does in place, or with indexing that
the standard lacks.
"""

import numpy as np
import sklearn
from scipy.special import expit as scipy_expit
from sklearn import config_context, get_config
from sklearn.utils import _array_api as sklearn_array_api
from sklearn.utils.fixes import parse_version
from sklearn.utils.validation import check_is_fitted

# The first version with move_to and check_same_namespace.
MIN_SKLEARN = "1.9"
IS_SUPPORTED = parse_version(sklearn.__version__) >= parse_version(MIN_SKLEARN)

_namespaces = {}


def is_foreign(array):
    """Whether it is an array of another library than NumPy."""
    if isinstance(array, np.ndarray):  # every block of a fit comes by here
        return False
    # the standard demands DLPack of arrays; lists, frames and sparse matrices have none
    return hasattr(array, "__dlpack__") and not isinstance(array, np.generic)


def is_dispatched(X):
    """Whether X is foreign and to be computed by its own library.

    Raises
    ------
    ImportError
        It is, but scikit-learn is too old for that.
    """
    if not is_foreign(X) or not get_config()["array_api_dispatch"]:
        return False
    if not IS_SUPPORTED:
        raise ImportError(
            f"array_api_dispatch needs scikit-learn {MIN_SKLEARN} or newer, this is "
            f"{sklearn.__version__}. Upgrade it, or pass NumPy arrays."
        )
    return True


def namespace(array):
    """The array's namespace: numpy, or its library's functions of the standard."""
    if isinstance(array, np.ndarray):
        return np
    kind = type(array)
    if kind not in _namespaces:
        _namespaces[kind] = sklearn_array_api.get_namespace(array)[0]
    return _namespaces[kind]


def float_types(X):
    """float64 and float32 of a foreign array's library.

    Raises
    ------
    TypeError
        X is one of PyTorch's sparse tensors.
    ValueError
        X is complex.
    """
    layout = str(getattr(X, "layout", "strided"))
    if not layout.endswith("strided"):
        raise TypeError(
            f"X is a sparse {type(X).__name__} ({layout}): pass X.to_dense(), or a "
            "SciPy CSR matrix."
        )
    xp = namespace(X)
    if xp.isdtype(X.dtype, "complex floating"):
        raise ValueError(
            f"Complex data not supported: X has dtype {X.dtype}. Pass real numbers."
        )
    return [xp.float64, xp.float32]


def numpy_dtype(dtype):
    """A dtype of any library as a NumPy dtype."""
    if isinstance(dtype, (np.dtype, type)):
        return np.dtype(dtype)
    return np.dtype(str(dtype).rpartition(".")[2])


def dtype_for(array, dtype):
    """X's dtype for another argument: a NumPy dtype if that is not foreign."""
    return dtype if is_foreign(array) else numpy_dtype(dtype)


def to_numpy(array):
    """A foreign array copied to NumPy; anything else is returned as it is."""
    if not is_foreign(array):
        return array
    array = _detached(array)
    try:
        return np.array(np.from_dlpack(array))
    except (BufferError, RuntimeError, TypeError, ValueError):  # it is on a device
        with config_context(array_api_dispatch=True):
            xp = sklearn_array_api.get_namespace(np.empty(0))[0]
            return np.array(sklearn_array_api.move_to(array, xp=xp, device="cpu"))


def like(array, X):
    """A NumPy array moved to X's library, device and dtype."""
    if isinstance(array, np.ndarray):
        if not is_foreign(X):
            return array.astype(X.dtype, copy=False)
        array = array.astype(numpy_dtype(X.dtype), copy=False)
        return namespace(X).asarray(array, device=X.device)
    return array  # a foreign one is there already


def follow(X, *arrays):
    """The arrays moved to X's library and device, as scikit-learn does it.

    Labels that are not numbers stay as they are, and so do frames, whose column names
    are still needed.
    """
    if is_foreign(X) or any(map(is_foreign, arrays)):
        xp, device = np, None
        if is_dispatched(X):
            xp, device = namespace(X), X.device
        arrays = tuple(_moved(array, xp, device) for array in arrays)
    return arrays if len(arrays) > 1 else arrays[0]


def _detached(array):
    """The array without PyTorch's graph, by which it would be differentiated."""
    return array.detach() if getattr(array, "requires_grad", False) else array


def _moved(array, xp, device):
    if is_foreign(array):
        array = _detached(array)
        if not is_dispatched(array):
            return array  # scikit-learn's validation makes it NumPy's
        if xp is np:
            return to_numpy(array)
    elif xp is np or array is None or hasattr(array, "columns"):
        return array
    else:
        numbers = np.asarray(array)
        if numbers.ndim == 0 or numbers.dtype.kind not in "biuf":
            return array
        array = numbers
    return sklearn_array_api.move_to(array, xp=xp, device=device)


def refuse(X, what, instead):
    """Raise where X is foreign and `what` takes NumPy arrays only."""
    if is_dispatched(X):
        raise ValueError(
            f"X is a {type(X).__name__} under array_api_dispatch, but {what} takes "
            f"NumPy arrays: {instead}."
        )


def check_same_namespace(X, estimator, method):
    """Raise where X is in another library or on another device than ``coef_``.

    Raises
    ------
    ValueError
        It says how to move the estimator or, without dispatch, how to turn that on.
    """
    if not is_dispatched(X) and not is_foreign(getattr(estimator, "coef_", None)):
        return
    check_is_fitted(estimator)
    if not get_config()["array_api_dispatch"]:
        raise ValueError(
            f"{type(estimator).__name__} was fitted with array_api_dispatch to "
            f"{type(estimator.coef_).__name__}: call {method} with such an X within "
            "sklearn.config_context(array_api_dispatch=True), or for X in NumPy use "
            "sklearn.utils._array_api.move_estimator_to(estimator, numpy, 'cpu')."
        )
    sklearn_array_api.check_same_namespace(
        X, estimator, attribute="coef_", method=method
    )


def full(shape, value, array):
    """An array like another one, filled with a number."""
    if not is_foreign(array):
        return np.full(shape, value, array.dtype)
    xp, value = namespace(array), float(value)
    return xp.full(shape, value, dtype=array.dtype, device=array.device)


def ones(n, dtype, array):
    """n ones of a dtype, in the library and on the device of an array."""
    if not is_foreign(array):
        return np.ones(n, dtype)
    return namespace(array).ones(n, dtype=dtype, device=array.device)


def zeros(shape, array):
    """Float64 zeros in the library and on the device of an array."""
    if not is_foreign(array):
        return np.zeros(shape)
    xp = namespace(array)
    return xp.zeros(shape, dtype=widest_float(array), device=array.device)


def cast(array, dtype):
    """The array in another dtype of its library; a copy only if needed."""
    if not is_foreign(array):
        return array.astype(dtype, copy=False)
    return namespace(array).astype(array, dtype, copy=False)


def common_dtype(X, Y):
    """X and Y in a common dtype: foreign libraries do not multiply mixed ones."""
    if not is_foreign(X) or X.dtype == Y.dtype:
        return X, Y
    dtype = namespace(X).result_type(X, Y)
    return cast(X, dtype), cast(Y, dtype)


def widest_float(array):
    """float64, or the widest float that the array's device has."""
    if not is_foreign(array):
        return np.float64
    return sklearn_array_api._max_precision_float_dtype(namespace(array), array.device)


def total(array, axis=None):
    """Sum in float64."""
    if not is_foreign(array):
        return array.sum(axis=axis, dtype=np.float64)
    return namespace(array).sum(array, axis=axis, dtype=widest_float(array))


# Methods and not functions of NumPy's, which take a microsecond longer.
def amax(array, axis):
    """Greatest entries along an axis."""
    if not is_foreign(array):
        return array.max(axis=axis)
    return namespace(array).max(array, axis=axis)


def asum(array, axis=None):
    """Sum in the array's dtype."""
    if not is_foreign(array):
        return array.sum(axis=axis)
    return namespace(array).sum(array, axis=axis)


def dense(X):
    """X as a dense array."""
    return X.toarray() if hasattr(X, "toarray") else X


def exp(Z):
    """e to the Z, in Z's memory where that is possible."""
    return namespace(Z).exp(Z) if is_foreign(Z) else np.exp(Z, out=Z)


def expit(Z, small=None):
    """1 / (1 + e^-Z), in Z's memory where that is possible.

    `small` is e^-|Z|, which cannot overflow, if the caller has it.
    """
    if not is_foreign(Z):
        return scipy_expit(Z, out=Z)
    xp = namespace(Z)
    small = xp.exp(-xp.abs(Z)) if small is None else small
    return xp.where(Z < 0, small, 1.0) / (1.0 + small)


def positive_part(z):
    """max(z, 0)."""
    return namespace(z).clip(z, min=0) if is_foreign(z) else np.maximum(z, 0)


def place(codes):
    """Index of each row's own class in logits (K, m), for the next two functions."""
    if is_foreign(codes):
        return codes
    at = codes * len(codes)  # into the flat array: faster than a pair of indices
    at += np.arange(len(codes))
    return at


def entries(Z, at):
    """Z[codes[i], i] for every column i of Z, (K, m); `at` is ``place(codes)``."""
    if not is_foreign(Z):
        return Z.reshape(-1).take(at)
    xp, (K, m) = namespace(Z), Z.shape
    column = xp.arange(m, dtype=at.dtype, device=Z.device)
    return xp.take(xp.reshape(Z, (K * m,)), at * m + column)


def subtract_at(Z, at, weight):
    """Z after Z[codes[i], i] -= weight[i] for every column i; `at` as in `entries`."""
    if not is_foreign(Z):
        Z.reshape(-1)[at] -= weight  # logits are contiguous, so that this is a view
        return Z
    xp = namespace(Z)
    row = xp.arange(Z.shape[0], dtype=at.dtype, device=Z.device)
    Z -= xp.where(row[:, None] == at, weight, 0.0)
    return Z


def dot(A, B):
    """A @ B, a sum over many rows.

    NumPy's operator keeps Python's lock if the result has at most 500 entries, however
    long it takes. `np.dot` does not, but may copy B if it is not contiguous.
    """
    arrays = isinstance(A, np.ndarray) and isinstance(B, np.ndarray)
    if arrays and B.flags.c_contiguous:
        return np.dot(A, B)
    return A @ B


def inner(Z, target):
    """sum_k Z[k, i] target[i, k] for every column i of Z."""
    if not is_foreign(Z):
        return np.einsum("km,mk->m", Z, target)
    return namespace(Z).sum(Z * target.T, axis=0)


def add_to_diagonal(A, diagonal):
    """A, (K, K), with its diagonal increased."""
    if not is_foreign(A):
        A[np.diag_indices(len(A))] += diagonal
        return A
    eye = namespace(A).eye(A.shape[0], dtype=A.dtype, device=A.device)
    return A + eye * diagonal


def put_at(H, index, block):
    """H with H[index][:, index] replaced by a block."""
    if not is_foreign(H):
        H[np.ix_(index, index)] = block
        return H
    xp = namespace(H)
    column = xp.arange(H.shape[0], dtype=index.dtype, device=H.device)
    one_hot = xp.astype(index[:, None] == column, H.dtype)
    inside = xp.sum(one_hot, axis=0) > 0
    inside = inside[:, None] & inside
    return xp.where(inside, one_hot.T @ xp.astype(block, H.dtype) @ one_hot, H)


def columns(Y, order):
    """Y's columns in an order, which is a NumPy array."""
    if not is_foreign(Y):
        return Y[:, order]
    xp = namespace(Y)
    return xp.take(Y, xp.asarray(order, device=Y.device), axis=1)


def class_masses(target, weight, n_classes):
    """Sum of the weights in each class, a float64 ndarray (n_classes,).

    Parameters
    ----------
    target : array (n,) of codes, or (n, n_classes) of distributions
    weight : array (n,) or None
    """
    if not is_foreign(target):
        if target.ndim == 1:
            return np.bincount(target, weight, minlength=n_classes)
        return target.sum(axis=0) if weight is None else weight @ target
    if target.ndim == 2:
        weight = 1.0 if weight is None else weight[:, None]
        return to_numpy(total(target * weight, axis=0))
    # The standard has no bincount, and torch's adds in no fixed order on a GPU.
    xp = namespace(target)
    if weight is None:
        masses = [xp.sum(xp.astype(target == k, xp.int64)) for k in range(n_classes)]
    else:
        masses = [total(xp.where(target == k, weight, 0.0)) for k in range(n_classes)]
    return to_numpy(xp.stack(masses))


def take_rows(array, index):
    """Rows of an array or a sparse matrix at the integers in a NumPy array."""
    if not is_foreign(array):
        return array[index]
    xp = namespace(array)
    return xp.take(array, xp.asarray(index, device=array.device), axis=0)
