"""The parameters of the estimators, checked before a fit looks at the data."""

import numbers
import sys

import numpy as np
from sklearn.utils import check_scalar

from ._coordinates import BUILDERS
from ._numeric import number_list

# The cv that has a name.
LOO = "approximate-loo"
# Parameters of SoftmaxClassifier that a stream can have at one value only.
STREAMED = {"l1_ratio": 0, "penalty_group": None, "bounds": None, "coef_prior": None}


def check_parameters(classifier):
    """Raise where one of those that all fits share is out of its range."""
    for name, least, bounds in (
        ("C", 0, "right"),
        ("l1_ratio", 0, "left"),
        ("tol", 0, "left"),
        ("max_iter", 1, "left"),
    ):
        value = getattr(classifier, name)
        kind = numbers.Integral if name == "max_iter" else numbers.Real
        check_scalar(
            value,
            name,
            kind,
            min_val=least,
            max_val=np.inf,
            include_boundaries=bounds,
        )
        if isinstance(value, np.generic):  # to whose dtype the limit would be cast
            value = value.item()
        if value != value or np.inf > value > sys.float_info.max:
            raise ValueError(f"{name} is NaN, or too large for a float.")
    if classifier.l1_ratio > 1:
        raise ValueError(f"l1_ratio={classifier.l1_ratio!r} must be at most 1.")
    for name in ("fit_intercept", "warm_start"):
        check_bool(getattr(classifier, name), name)
    if not isinstance(classifier.verbose, (numbers.Integral, np.bool_)):
        raise TypeError(f"verbose={classifier.verbose!r} must be an int or a bool.")
    group = classifier.penalty_group
    if group is not None and str(group) != "class":
        raise ValueError(f"penalty_group={group!r} must be None or 'class'.")
    solver = classifier.solver
    if not isinstance(solver, str) or solver not in ["auto", *BUILDERS]:
        raise ValueError(
            f"solver={solver!r} must be 'auto' or one of {list(BUILDERS)}, "
            "which all lead to the same optimum; scikit-learn's are not among them."
        )


def check_bool(value, name):
    """Raise where it is no bool, as scikit-learn does."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}={value!r} must be True or False.")


def check_choices(classifier):
    """The l1 ratios; raises where a parameter of the choice is wrong."""
    l1_ratios = number_list(
        classifier.l1_ratios,
        "l1_ratios",
        "a list of numbers in [0, 1], such as [1.0]",
        lambda array: (array >= 0) & (array <= 1),
    )
    check_bool(classifier.refit, "refit")
    if not isinstance(classifier.n_jobs, (numbers.Integral, type(None))):
        raise TypeError(f"n_jobs={classifier.n_jobs!r} must be an int or None.")
    selection = classifier.selection
    if not isinstance(selection, str) or selection not in ("best", "1se"):
        raise ValueError(f"selection={selection!r} must be 'best' or '1se'.")
    if isinstance(classifier.cv, type):
        name = classifier.cv.__name__
        raise TypeError(f"cv={name} is a class, and takes its parameters: cv={name}().")
    if isinstance(classifier.cv, str) and classifier.cv != LOO:
        raise ValueError(f"cv={classifier.cv!r}: the only cv with a name is {LOO!r}.")
    smooth = not l1_ratios.any() and classifier.bounds is None
    if is_loo(classifier) and not (smooth and classifier.scoring is None):
        raise ValueError(
            f"cv={LOO!r} takes l1_ratios=(0.0,), no bounds and scoring=None. Use folds."
        )
    return l1_ratios


def is_loo(classifier):
    """Whether C is to be chosen by approximate leave-one-out."""
    return isinstance(classifier.cv, str) and classifier.cv == LOO


def check_streamable(classifier):
    """True, or a ValueError that names the parameter that partial_fit cannot serve."""
    if not hasattr(classifier, "C"):
        raise ValueError(
            "A stream cannot be split in folds that choose C: choose it on some rows, "
            f"and give it to SoftmaxClassifier in {type(classifier).__name__}'s place."
        )
    for name, value in STREAMED.items():
        given = getattr(classifier, name)
        if given is not value and not (np.isscalar(given) and given == value):
            raise ValueError(
                f"partial_fit serves the l2 penalty alone: {name} must be {value}, got "
                f"{given!r}. fit serves it."
            )
    if classifier.C == np.inf:
        raise ValueError(
            "partial_fit needs a penalty: the first rows of a stream are always "
            "separated, and without one their optimum is at infinity. Use a large "
            "finite C."
        )
    if isinstance(classifier.class_weight, str):
        raise ValueError(
            f"partial_fit does not know the frequencies to come: class_weight="
            f"{classifier.class_weight!r} must be a dict of weights, or None."
        )
    return True
