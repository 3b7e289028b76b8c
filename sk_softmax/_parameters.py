"""The estimators' parameters, checked before a fit looks at the data."""

import numbers
import sys

import numpy as np
from sklearn.utils import check_scalar

from ._coordinates import BUILDERS
from ._numeric import number_list

# The only string that the parameter cv may be.
LOO = "approximate-loo"
# Parameters of SoftmaxClassifier for which partial_fit takes this value only.
STREAMED = {"l1_ratio": 0, "penalty_group": None, "bounds": None, "coef_prior": None}


def check_parameters(classifier):
    """Raise if a parameter that all estimators share has a wrong type or value."""
    for name, least, bounds in (
        ("C", 0, "right"),
        ("l1_ratio", 0, "left"),
        ("tol", 0, "left"),
        ("max_iter", 1, "left"),
    ):
        value = getattr(classifier, name)
        kind = numbers.Integral if name == "max_iter" else numbers.Real
        check_scalar(
            value, name, kind, min_val=least, max_val=np.inf, include_boundaries=bounds
        )
        if isinstance(value, np.generic):  # or NumPy casts the limit to its dtype
            value = value.item()
        if value != value or np.inf > value > sys.float_info.max:
            raise ValueError(
                f"{name} is NaN, or too large for a float: pass a finite number."
            )
    if classifier.l1_ratio > 1:
        raise ValueError(f"l1_ratio={classifier.l1_ratio!r} must be at most 1.")
    for name in ("fit_intercept", "warm_start"):
        _check_bool(getattr(classifier, name), name)
    if not isinstance(classifier.verbose, (numbers.Integral, np.bool_)):
        raise TypeError(f"verbose={classifier.verbose!r} must be an int or a bool.")
    group = classifier.penalty_group
    if group is not None and str(group) != "class":
        raise ValueError(f"penalty_group={group!r} must be None or 'class'.")
    solver = classifier.solver
    if not isinstance(solver, str) or solver not in ["auto", *BUILDERS]:
        raise ValueError(
            f"solver={solver!r} must be 'auto' or one of {list(BUILDERS)}, which all "
            "go towards the same optimum. Solvers of scikit-learn do not exist here."
        )


def _check_bool(value, name):
    """Raise where it is not a bool, as scikit-learn does."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}={value!r} must be True or False.")


def check_choices(classifier):
    """Check the parameters of SoftmaxClassifierCV alone; return the l1 ratios."""
    l1_ratios = number_list(
        classifier.l1_ratios,
        "l1_ratios",
        "a list of numbers in [0, 1], such as [1.0]",
        lambda array: (array >= 0) & (array <= 1),
    )
    _check_bool(classifier.refit, "refit")
    if not isinstance(classifier.n_jobs, (numbers.Integral, type(None))):
        raise TypeError(f"n_jobs={classifier.n_jobs!r} must be an int or None.")
    selection = classifier.selection
    if not isinstance(selection, str) or selection not in ("best", "1se"):
        raise ValueError(f"selection={selection!r} must be 'best' or '1se'.")
    if isinstance(classifier.cv, type):
        name = classifier.cv.__name__
        raise TypeError(f"cv={name} is a class: pass an instance, cv={name}().")
    if isinstance(classifier.cv, str) and classifier.cv != LOO:
        raise ValueError(
            f"cv={classifier.cv!r}: the only string that cv may be is {LOO!r}. Pass a "
            "number of folds or a splitter."
        )
    smooth = not l1_ratios.any() and classifier.bounds is None
    if is_loo(classifier) and not (smooth and classifier.scoring is None):
        raise ValueError(
            f"cv={LOO!r} needs l1_ratios=(0.0,), bounds=None and scoring=None: use "
            "these, or folds such as cv=5."
        )
    return l1_ratios


def is_loo(classifier):
    """Whether C is to be chosen by approximate leave-one-out."""
    return isinstance(classifier.cv, str) and classifier.cv == LOO


def check_streamable(classifier):
    """True, or a ValueError that names the parameter that partial_fit cannot use."""
    if not hasattr(classifier, "C"):
        raise ValueError(
            f"{type(classifier).__name__} has no partial_fit, since a stream cannot be "
            "split into folds: choose C on some rows, and pass it to SoftmaxClassifier."
        )
    for name, value in STREAMED.items():
        given = getattr(classifier, name)
        if given is not value and not (np.isscalar(given) and given == value):
            raise ValueError(
                f"partial_fit has the l2 penalty alone: {name} must be {value}, got "
                f"{given!r}. Change it, or use fit."
            )
    if classifier.C == np.inf:
        raise ValueError(
            "partial_fit needs a penalty: the first rows of a stream are always "
            "separated, and without one their optimum is at infinity. Use a large "
            "finite C."
        )
    if isinstance(classifier.class_weight, str):
        raise ValueError(
            f"class_weight={classifier.class_weight!r} needs the frequencies of all "
            "rows, which partial_fit does not know: pass a dict of weights, or None."
        )
    return True
