"""Messages about fits that did not end at an optimum, and what to do next."""


def separation(classes, C, optimality):
    """The message where the optimum of a list of classes is at infinity."""
    free, step = f"C={C:g}", "Use a finite C, such as 1."
    if C < 1e290:  # a larger C is none: 1 / (C S) may underflow
        free = "penalty_factor=0"
        step = "Give the features that separate them a positive penalty_factor."
    return (
        f"X separates classes {classes} from all others without an error, so "
        f"that with {free} the optimum is at infinity. The coefficients are finite "
        "only because the fit stopped at a relative suboptimality of "
        f"{optimality:.0e}. {step}"
    )


def next_step(max_iter, n_iter):
    """What to do about a fit that did not converge in `n_iter` passes."""
    if n_iter < max_iter - 1:
        return (
            "The objective no longer changes within the precision of X's dtype: use "
            "float64, subtract a constant from features far from zero, or raise tol "
            "if this is near enough. Where offsets or coef_prior make all rows "
            "certain, penalise every feature."
        )
    return (
        f"Raise max_iter (now {max_iter}), or tol if this is near enough; a smaller C "
        "also makes the problem easier."
    )
